"""The table of routes, and how paths find their way in it."""

from __future__ import annotations

from contextlib import suppress

import falcon
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.errors import RegistryError
from registry_app.http import routes
from registry_app.http.conditions import is_known, range_holds
from registry_app.http.paging import parse_count
from registry_app.http.router import RegistryRouter
from registry_app.http.routes import PUBLIC, ROUTES, Route, add_routes, right_of


class Anything:
    """A resource that serves what a route asks of it."""


def resource_for(route: Route) -> object:
    """A resource with a responder for each method of a route."""
    names = {f"on_{method.lower()}": lambda *_, **__: None for method in route.methods}
    return type("Resource", (), names)()


def router() -> RegistryRouter:
    """A router with the whole table."""
    found = RegistryRouter()
    for route in ROUTES:
        found.add_route(route.template, resource_for(route))
    return found


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/v2/", "/v2/", {}),
        ("/v2/_catalog", "/v2/_catalog", {}),
        ("/v2/a/manifests/1", "/v2/{repository}/manifests/{reference}", {"repository": "a", "reference": "1"}),
        ("/v2/a/b/c/tags/list", "/v2/{repository}/tags/list", {"repository": "a/b/c"}),
        (
            "/v2/manifests/manifests/manifests",
            "/v2/{repository}/manifests/{reference}",
            {"repository": "manifests", "reference": "manifests"},
        ),
        ("/v2/a/blobs/uploads/", "/v2/{repository}/blobs/uploads/", {"repository": "a"}),
        ("/v2/a/blobs/uploads", "/v2/{repository}/blobs/uploads", {"repository": "a"}),
        ("/v2/a/blobs/uploads/x", "/v2/{repository}/blobs/uploads/{upload}", {"repository": "a", "upload": "x"}),
        (
            "/v2/a/blobs/uploads/blobs/uploads/x",
            "/v2/{repository}/blobs/uploads/{upload}",
            {"repository": "a/blobs/uploads", "upload": "x"},
        ),
        (
            "/v2/a/blobs/uploads/manifests/1",
            "/v2/{repository}/manifests/{reference}",
            {"repository": "a/blobs/uploads", "reference": "1"},
        ),
        ("/v2/a/blobs/sha256:0", "/v2/{repository}/blobs/{digest}", {"repository": "a", "digest": "sha256:0"}),
        ("/v2/tags/list/tags/list", "/v2/{repository}/tags/list", {"repository": "tags/list"}),
    ],
)
def test_a_path_finds_its_route_whatever_the_name_holds(path, template, params):
    """Names may hold slashes, and the words of the API itself."""
    _resource, _methods, found, uri_template = router().find(path)
    assert (uri_template, found) == (template, params)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/a",
        "/v2/a/",
        "/v2//manifests/1",
        "/v2/a/manifests/",
        "/v2/a/manifests/1/2",
        "/V2/",
        "",
        "/v2/a/tags/list/",
        "/" + "v2/" * 1000,
    ],
)
def test_other_paths_find_nothing(path):
    """404 is Falcon's answer then."""
    found = router().find(path)
    assert found is None or found[3] not in {"/v2/{repository}/tags/list", "/v2/"}


def test_every_method_of_every_route_asks_for_a_right():
    """GET and HEAD ask for the same; a preflight for nothing; what is not served has none."""
    for route in ROUTES:
        for method, right in route.methods.items():
            assert right_of(route, method) is right
        assert right_of(route, "OPTIONS") is PUBLIC
        assert right_of(route, "BREW") is None
        if "GET" in route.methods:
            assert right_of(route, "HEAD") is route.methods.get("HEAD", route.methods["GET"])


def test_a_responder_without_a_right_fails_the_build(monkeypatch):
    """And so does a right without a responder."""
    route = Route("/x", "x", {"GET": PUBLIC})
    monkeypatch.setattr(routes, "ROUTES", (route,))
    add_routes(falcon.App(router=RegistryRouter()), {"x": resource_for(route)})
    for methods in ({"GET": PUBLIC, "DELETE": PUBLIC}, {"POST": PUBLIC}):
        with pytest.raises(ValueError, match="rights for"):
            add_routes(falcon.App(router=RegistryRouter()), {"x": resource_for(Route("/x", "x", methods))})


@given(st.text(max_size=60))
def test_any_count_is_a_bounded_number_or_refused(text):
    """Never more than the most, whatever is asked."""
    with suppress(RegistryError):
        assert 0 <= parse_count(text, default=7, most=10) <= 10


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ("", False),
        ('"d"', True),
        ("d", True),
        ('W/"d"', True),
        ('"x", "d"', True),
        ("*", True),
        ('"x"', False),
    ],
)
def test_a_client_knows_what_its_tags_name(header, known):
    """Quoted or not, weak or not, one of many."""
    assert is_known(header, "d") is known


def test_a_range_counts_only_for_the_content_that_was_meant():
    """A weak or other tag means: send the whole."""
    assert [range_holds(value, "d") for value in (None, '"d"', 'W/"d"', '"x"', "d")] == [
        True,
        True,
        False,
        False,
        False,
    ]
