"""Where things are, as responses say it: paths by default, whole URLs where the configuration asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from falcon import Request

    from registry_app.http.proxies import TrustedProxies
    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.settings import HttpSettings


class Locations:
    """Makes the addresses in Location and Link headers."""

    def __init__(self, settings: HttpSettings, proxies: TrustedProxies) -> None:
        self._prefix = settings.prefix
        self._host = "" if settings.relative_urls else settings.host
        self._absolute = settings.relative_urls is False
        self._proxies = proxies

    def manifest(self, req: Request, repository: Repository, digest: Digest) -> str:
        """Address of a manifest."""
        return self._whole(req, f"{self._prefix}/v2/{repository}/manifests/{digest}")

    def blob(self, req: Request, repository: Repository, digest: Digest) -> str:
        """Address of a blob."""
        return self._whole(req, f"{self._prefix}/v2/{repository}/blobs/{digest}")

    def upload(self, req: Request, repository: Repository, upload: str, state: str) -> str:
        """Address of a blob upload; `state` is signed, so that a made-up address is told from ours."""
        return self._whole(req, f"{self._prefix}/v2/{repository}/blobs/uploads/{upload}?_state={state}")

    def next_page(self, path: str, **parameters: str | int) -> str:
        """Value of a Link header to the next page of a list."""
        query = urlencode(parameters, quote_via=quote, safe="/:")
        return f'<{self._prefix}{path}?{query}>; rel="next"'

    def base_url(self, req: Request) -> str:
        """Scheme and host under which the client reached us; empty where the request doesn't say."""
        return self._host or self._proxies.base_url(
            req.env.get("REMOTE_ADDR", ""),
            scheme=req.env["wsgi.url_scheme"],
            host=req.get_header("Host"),
            forwarded_proto=req.get_header("X-Forwarded-Proto"),
            forwarded_host=req.get_header("X-Forwarded-Host"),
        )

    def _whole(self, req: Request, path: str) -> str:
        if self._host:
            return self._host + path
        return self.base_url(req) + path if self._absolute else path
