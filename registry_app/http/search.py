"""`/v1/_ping` and `/v1/search`, which `docker search` asks (podman asks them too, before the catalog)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from registry_app.http.listings import write_json
from registry_app.http.paging import parse_count

if TYPE_CHECKING:
    from falcon import Request, Response

    from registry_app.auth.authorization import Authorizer
    from registry_app.storage import Storage

RESULTS_DEFAULT, RESULTS_MOST = 25, 100


class SearchPingResource:
    """Says that this is a registry without an index of its own beside it."""

    def on_get(self, _req: Request, resp: Response) -> None:
        """The answer of version 1."""
        resp.set_header("X-Docker-Registry-Version", "0.6.0")
        resp.set_header("X-Docker-Registry-Standalone", "true")
        write_json(resp, {"standalone": True})


class SearchResource:
    """Finds repositories by a part of their name."""

    def __init__(self, storage: Storage, authorizer: Authorizer) -> None:
        self._repositories = storage.repositories
        self._authorizer = authorizer

    def on_get(self, req: Request, resp: Response) -> None:
        """Repositories that hold the word and that the caller may see."""
        word = (req.get_param("q") or "").strip().lower()
        count = parse_count(req.get_param("n"), default=RESULTS_DEFAULT, most=RESULTS_MOST)
        visible = self._authorizer.readable(req.context.identity)
        names = list(islice(filter(visible, self._repositories.search(word)), count))
        results = [
            {"name": name, "description": "", "star_count": 0, "is_official": False, "is_automated": False}
            for name in names
        ]
        write_json(resp, {"query": word, "num_results": len(results), "results": results})
