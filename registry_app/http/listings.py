"""Lists: tags, catalog, referrers; and the removal of a whole repository."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from registry_app.errors import ErrorCode, RegistryError
from registry_app.http.paging import page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from falcon import Request, Response

    from registry_app.auth.authorization import Authorizer
    from registry_app.http.locations import Locations
    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.storage import Storage

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CATALOG_DEFAULT = 100
REFERRERS_IN_A_PAGE = 1000
BYTES_IN_A_PAGE = 4 * 1024 * 1024


class TagsResource:
    """`/v2/<name>/tags/list`."""

    def __init__(self, storage: Storage, locations: Locations, *, most: int) -> None:
        self._tags = storage.tags
        self._locations = locations
        self._most = most

    def on_get(self, req: Request, resp: Response, repository: Repository) -> None:
        """A page of tags, in the order of their bytes (end-8)."""
        count, last = page_of(req, default=self._most, most=self._most)
        found = self._tags.list(repository, last=last, limit=count + 1)
        page = found[:count]
        if page and len(found) > count:
            path = f"/v2/{repository}/tags/list"
            resp.set_header("Link", self._locations.next_page(path, n=count, last=page[-1]))
        write_json(resp, {"name": str(repository), "tags": page})


class CatalogResource:
    """`/v2/_catalog`."""

    def __init__(self, storage: Storage, authorizer: Authorizer, locations: Locations, *, most: int) -> None:
        self._repositories = storage.repositories
        self._authorizer = authorizer
        self._locations = locations
        self._most = most

    def on_get(self, req: Request, resp: Response) -> None:
        """A page of the repositories that the caller may see."""
        count, last = page_of(req, default=min(CATALOG_DEFAULT, self._most), most=self._most)
        visible = self._authorizer.readable(req.context.identity)
        found = list(islice(filter(visible, self._repositories.iterate(last=last)), count + 1))
        page = found[:count]
        if page and len(found) > count:
            resp.set_header("Link", self._locations.next_page("/v2/_catalog", n=count, last=page[-1]))
        write_json(resp, {"repositories": page})


class ReferrersResource:
    """`/v2/<name>/referrers/<digest>`."""

    def __init__(self, storage: Storage, locations: Locations) -> None:
        self._referrers = storage.referrers
        self._locations = locations

    def on_get(self, req: Request, resp: Response, repository: Repository, digest: Digest) -> None:
        """An index of what refers to a manifest; empty where nothing does, never 404 (end-12)."""
        wanted = req.get_param("artifactType")
        last = req.get_param("last") or ""
        page, more = _first_page(self._referrers.iterate(repository, digest, artifact_type=wanted, last=last))
        if more:
            parameters = {"last": page[-1]["digest"], **({"artifactType": wanted} if wanted else {})}
            path = f"/v2/{repository}/referrers/{digest}"
            resp.set_header("Link", self._locations.next_page(path, **parameters))
        if wanted is not None:
            resp.set_header("OCI-Filters-Applied", "artifactType")
        write_json(resp, {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": page}, kind=INDEX_TYPE)


class RepositoryResource:
    """`/v2/<name>/_stackgen/repository`, an extension in the shape that the specification gives to extensions."""

    def __init__(self, storage: Storage, *, delete_enabled: bool) -> None:
        self._repositories = storage.repositories
        self._delete_enabled = delete_enabled

    def on_delete(self, _req: Request, resp: Response, repository: Repository) -> None:
        """Removes every manifest, tag and layer link of a repository."""
        if not self._delete_enabled:
            raise RegistryError(ErrorCode.UNSUPPORTED, message="deletes are disabled: set storage.delete.enabled")
        self._repositories.delete(repository)
        resp.status = 202


def _first_page(referrers: Iterator[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """The first of them, and whether there are more; at least one: annotations may make each as large as a manifest."""
    page: list[dict[str, Any]] = []
    room = BYTES_IN_A_PAGE
    for one in referrers:
        room -= len(_encoded(one))
        if page and (room < 0 or len(page) == REFERRERS_IN_A_PAGE):
            return page, True
        page.append(one)
    return page, False


def write_json(resp: Response, value: Any, *, kind: str = "application/json") -> None:
    """A JSON body without a charset in its type, which clients compare literally."""
    resp.content_type = kind
    resp.data = _encoded(value)


def _encoded(value: Any) -> bytes:
    # Manifests that another registry took may hold halves of characters, which UTF-8 has no bytes for.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
