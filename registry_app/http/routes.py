"""The one table of what is served: address, resource, and the right that each method asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from registry_app.auth.identity import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

    from falcon import App


class Public(Enum):
    """Marks a method that asks for no right: it tells nothing about anybody's images."""

    PUBLIC = "public"


PUBLIC = Public.PUBLIC
Right = Action | Public


@dataclass(frozen=True, slots=True)
class Route:
    """One address. `{repository}` spans slashes; GET serves HEAD too where the resource has no HEAD of its own."""

    template: str
    resource: str
    methods: Mapping[str, Right]
    summary: str = ""


PULL, PUSH, DELETE, CATALOG, LOGIN = Action.PULL, Action.PUSH, Action.DELETE, Action.CATALOG, Action.LOGIN

ROUTES: tuple[Route, ...] = (
    Route("/", "home", {"GET": PUBLIC}, "a page for people: what this is, how to log in"),
    Route("/healthz", "liveness", {"GET": PUBLIC}, "`ok` while the service runs"),
    Route("/v1/_ping", "search_ping", {"GET": PUBLIC}, "how `docker search` finds out whom it talks to"),
    Route("/v1/search", "search", {"GET": CATALOG}, "`docker search`: repositories whose name contains `q`"),
    Route("/v2", "base", {"GET": LOGIN}, "as `/v2/`"),
    Route("/v2/", "base", {"GET": LOGIN}, "whether the caller is let in (end-1)"),
    Route("/v2/_catalog", "catalog", {"GET": CATALOG}, "repositories, by page: `n`, `last`"),
    Route("/v2/{repository}/tags/list", "tags", {"GET": PULL}, "tags, by page: `n`, `last` (end-8)"),
    Route(
        "/v2/{repository}/manifests/{reference}",
        "manifest",
        {"GET": PULL, "HEAD": PULL, "PUT": PUSH, "DELETE": DELETE},
        "manifests by tag or digest; `?tag=` on PUT by digest (end-3, 7, 9)",
    ),
    Route("/v2/{repository}/referrers/{digest}", "referrers", {"GET": PULL}, "what refers to a manifest (end-12)"),
    Route("/v2/{repository}/blobs/uploads", "uploads", {"POST": PUSH}, "as with a slash at the end"),
    Route(
        "/v2/{repository}/blobs/uploads/",
        "uploads",
        {"POST": PUSH},
        "start of an upload; whole with `digest`, mount with `mount` and `from` (end-4, 11)",
    ),
    Route(
        "/v2/{repository}/blobs/uploads/{upload}",
        "upload",
        {"GET": PUSH, "PATCH": PUSH, "PUT": PUSH, "DELETE": PUSH},
        "status, next chunk, end and cancellation of an upload (end-5, 6, 13, 14)",
    ),
    Route(
        "/v2/{repository}/blobs/{digest}",
        "blob",
        {"GET": PULL, "HEAD": PULL, "DELETE": DELETE},
        "blobs, with ranges (end-2, 10)",
    ),
    Route(
        "/v2/{repository}/_stackgen/repository",
        "repository",
        {"DELETE": DELETE},
        "removal of a whole repository",
    ),
)


def right_of(route: Route, method: str) -> Right | None:
    """The right that a method of a route asks for; None where the method is not served."""
    if method == "OPTIONS":
        return PUBLIC
    if method == "HEAD" and "HEAD" not in route.methods:
        method = "GET"
    return route.methods.get(method)


def add_routes(app: App[Any, Any], resources: Mapping[str, object], *, prefix: str = "") -> None:
    """Adds every route of the table. Raises ValueError for a resource whose methods and rights don't agree."""
    for route in ROUTES:
        resource = resources[route.resource]
        _check(route, resource)
        app.add_route(prefix + route.template, resource)


def _check(route: Route, resource: object) -> None:
    responders = {name.removeprefix("on_").upper() for name in dir(resource) if name.startswith("on_")}
    # HEAD asks for what GET asks for, and is made of GET where it has no responder of its own.
    if responders - {"HEAD"} != set(route.methods) - {"HEAD"}:
        raise ValueError(f"{route.template}: responders {sorted(responders)}, rights for {sorted(route.methods)}")
