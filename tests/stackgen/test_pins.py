"""Tags become digests in a lock file that render uses."""

from __future__ import annotations

import json

import pytest

from registry_app.oci.digests import Digest
from stackgen.errors import StackgenError
from stackgen.pins import find_pins, format_lock, images_of
from stackgen.planning import PlanInputs, plan_stack
from stackgen.profiles import load_profiles
from stackgen.settings import StackSettings

OLD, NEW = Digest.of(b"old"), Digest.of(b"new")


def test_every_image_of_every_profile_is_pinned_once():
    """Also the one that the registry is built from."""
    images = images_of(load_profiles())
    assert {"nginx:1.30", "python:3.13-slim-trixie"} <= set(images)
    assert len(images) == len(set(images))


def test_a_pin_says_whether_it_is_behind():
    """The lock file against what the registry says now."""
    pins = find_pins(["a:1", "b:1", "c:1"], {"a:1": str(OLD), "b:1": str(NEW)}, resolve=lambda _: NEW)
    assert [pin.behind for pin in pins] == [True, False, True]


def test_a_mirror_is_asked_for_hub_images_alone():
    """As the engine's registry-mirrors."""
    asked = []
    find_pins(["nginx:1", "ghcr.io/a/b:1"], {}, resolve=lambda a: asked.append(a.host) or NEW, mirror="mirror:5000")
    assert asked == ["mirror:5000", "ghcr.io"]


def test_all_images_without_a_digest_are_named_at_once():
    """Unknown ones and registries that don't answer alike."""

    def resolve(address):
        if address.host == "ghcr.io":
            raise StackgenError("nothing listens at ghcr.io", hint="is it up?")

    with pytest.raises(StackgenError) as caught:
        find_pins(["nginx:1", "ghcr.io/a/b:1"], {}, resolve=resolve)
    assert "nginx:1: docker.io has no such image" in caught.value.message
    assert "nothing listens at ghcr.io (is it up?)" in caught.value.message


def test_the_render_uses_the_lock():
    """`name:tag@digest`, as Compose takes it."""
    lock = json.loads(format_lock({"nginx:1.30": str(NEW)}))["images"]
    plan = plan_stack(PlanInputs(StackSettings(), load_profiles(), lock))
    assert f'image: "nginx:1.30@{NEW}"' in plan.file("compose.yaml").content.decode()
