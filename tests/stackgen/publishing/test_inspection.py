"""`verify` shows what would run, and everything that reaches into the host."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stackgen.errors import StackgenError
from stackgen.planning import PlanInputs, plan_stack
from stackgen.profiles import load_profiles
from stackgen.publishing.inspection import inspect_compose
from stackgen.publishing.self_contained import Publication, for_anyone, self_contained
from stackgen.settings import StackSettings

PINNED = "nginx:1.30@sha256:" + "ab" * 32


def overview(**service):
    """Of a project with one service."""
    return inspect_compose(yaml.safe_dump({"services": {"web": {"image": PINNED, **service}}}).encode())


def test_an_image_by_tag_or_variable_is_loose():
    """Only a digest says what will run."""
    assert overview().loose == ()
    assert overview(image="nginx:1.30").loose == ("nginx:1.30",)
    assert overview(image="nginx:${TAG}").loose == ("nginx:${TAG}",)


def test_variables_that_must_be_given_are_told_from_those_that_can():
    """An escaped dollar is no variable."""
    found = overview(command=["${A:?say it}", "${B:-x${F}}", "$C", "$$D", "$${E}"])
    assert (found.required, found.optional) == (("A",), ("B", "C", "F"))


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({"privileged": True}, "privileged"),
        ({"cap_add": ["SYS_ADMIN"]}, "SYS_ADMIN"),
        ({"network_mode": "host"}, "host's network"),
        ({"volumes": ["/var/run/docker.sock:/s"]}, "as good as root"),
        ({"volumes": [{"type": "bind", "source": "/etc", "target": "/x"}]}, "mounts /etc"),
        ({"pid": "host"}, "pid=host"),
        ({"use_api_socket": True}, "use_api_socket"),
        ({"provider": {"type": "sh"}}, "provider"),
        ({"some_later_word": "x"}, "some_later_word=x"),
        ({"cgroup": "host"}, "cgroup=host"),
        ({"security_opt": ["seccomp:unconfined"]}, "unconfined"),
        ({"network_mode": "container:db"}, "container:db"),
        ({"volumes_from": ["container:db"]}, "container:db"),
        ({"volumes": ["${ANY:-/}:/x:ro"]}, "mounts ${ANY:-/} of the host"),
        ({"volumes": ["${A:-${B:-/}}:/x"]}, "mounts ${A:-${B:-/}} of the host"),
        ({"volumes": ["$HOME:/x"]}, "mounts $HOME of the host"),
        ({"volumes": ["${STORAGE_DIR:-/}:/x"]}, "mounts ${STORAGE_DIR:-/} of the host"),
        ({"volumes": [{"type": "bind", "source": "data", "target": "/x"}]}, "mounts data of the host"),
        ({"deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}}, "gpu"),
    ],
)
def test_whatever_reaches_into_the_host_is_told(service, words):
    """Before anybody runs it."""
    assert any(words in line for line in overview(**service).notable)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"include": ["oci://elsewhere.example.com/x"]}, "include: ['oci://elsewhere.example.com/x']"),
        ({"volumes": {"v": {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}}}, "volume v: driver_opts="),
        ({"volumes": {"v": {"external": True}}}, "volume v: external=True"),
        ({"networks": {"n": {"driver": "macvlan"}}}, "network n: driver=macvlan"),
        ({"secrets": {"s": {"file": "/etc/shadow"}}}, "secret s: file=/etc/shadow"),
        ({"configs": {"c": {"environment": "HOME"}}}, "config c: environment=HOME"),
    ],
)
def test_what_reaches_out_beside_the_services_is_told_too(part, words):
    """A volume may be a folder of the host, and an include another file altogether."""
    content = yaml.safe_dump({"services": {"web": {"image": PINNED}}, **part})
    (line,) = inspect_compose(content.encode()).notable
    assert line.startswith(words)


def test_a_plain_service_has_nothing_to_tell():
    """No noise."""
    usual = ["data:/x", "/anonymous", "${STORAGE_DIR:-registry_data}:/y:ro", {"type": "tmpfs", "target": "/z"}]
    opts = ["no-new-privileges:true"]
    assert overview(volumes=usual, privileged=False, security_opt=opts, network_mode="none").notable == ()


def test_of_our_own_stack_the_exporters_alone_reach_out():
    """And that is said of them."""
    settings = for_anyone(StackSettings(), registry_image=PINNED)
    profiles = load_profiles()
    secrets = tuple(path for profile in profiles for path in profile.secrets)
    own = self_contained(plan_stack(PlanInputs(settings, profiles)), Publication("1.0", PINNED, secrets))
    assert {line.partition(":")[0] for line in inspect_compose(own).notable} == {"cadvisor", "node-exporter"}


def test_a_variable_that_is_handed_through_without_a_value_is_one_that_can_be_set():
    """Compose takes it from the environment of whoever starts the stack."""
    assert overview(environment=["TOKEN", "A=1"]).optional == ("TOKEN",)
    assert overview(environment={"TOKEN": None, "A": "1"}).optional == ("TOKEN",)


@pytest.mark.parametrize("endless", [False, True])
def test_aliases_that_stand_for_gigabytes_are_refused_at_once(endless):
    """Written out, these nine to the twelfth words would fill any memory."""
    lists = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    devices = "*service" if endless else "*l11"
    text = "\n".join(["l0: &l0 [x, x, x, x, x, x, x, x, x]", *lists, "services:"])
    text += f"\n  web: &service {{image: {PINNED}, devices: [{devices}], volumes: [{devices}]}}\n"
    with pytest.raises(StackgenError, match="aliases"):
        inspect_compose(text.encode())


@given(st.binary() | st.text().map(str.encode))
def test_no_content_breaks_it(content):
    """Whatever a registry serves is an overview or a refusal."""
    try:
        inspect_compose(content)
    except StackgenError as error:
        assert error.hint  # noqa: PT017
