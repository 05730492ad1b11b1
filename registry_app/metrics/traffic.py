"""What the service counts of one request, told by whoever answers it; the names of metrics stay in this folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.metrics.definitions import CODES, HANDLERS, METHODS

if TYPE_CHECKING:
    from registry_app.metrics.recent import Recent
    from registry_app.metrics.recording import Recorder

UNKNOWN_USER = "(unknown)"
_CODE_NAMES = {int(code): code for code in CODES if code.isdigit()}
_METHOD_NAMES = {method.upper(): method for method in METHODS}
_HANDLER_NAMES = {handler: handler for handler in HANDLERS}
_BODIES = {("blob_upload", "post"), ("blob_upload_chunk", "patch"), ("blob_upload_chunk", "put"), ("manifest", "put")}
_CONTENTS = {("blob", "get"), ("manifest", "get")}
_REFUSED, _FAILED = 400, 500
_AUTH_RESULTS = {403: "denied", 429: "throttled"}
_UNAUTHORIZED = 401


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its answer."""

    method: str
    handler: str = "none"
    status: int = 0
    seconds: float = 0.0
    repository: str | None = None
    received: int = 0
    sent: int = 0
    interrupted: bool = False


class Traffic:
    """Counts exchanges."""

    def __init__(self, recorder: Recorder, recent: Recent) -> None:
        self._recorder = recorder
        self._recent = recent

    def begun(self, exchange: Exchange) -> None:
        """A request whose handler is known is being answered."""
        exchange.handler = _HANDLER_NAMES.get(exchange.handler, "none")
        exchange.method = _METHOD_NAMES.get(exchange.method, "unknown")
        self._recorder.count("registry_http_in_flight_requests", exchange.handler)

    def ended(self, exchange: Exchange, *, begun: bool) -> None:
        """The answer is out, or its reader is gone. `begun`: this exchange was told to `begun` before."""
        count = self._recorder.count
        handler, method = exchange.handler, exchange.method
        if begun:
            count("registry_http_in_flight_requests", handler, by=-1)
        else:
            method = _METHOD_NAMES.get(method, "unknown")
        count("registry_http_requests_total", handler, _CODE_NAMES.get(exchange.status, "other"), method)
        self._recorder.observe("registry_http_request_duration_seconds", handler, method, value=exchange.seconds)
        outcome = outcome_of(exchange.status)
        what = (handler, method)
        if what in _BODIES:
            self._pushed(exchange, outcome, whole_image=handler == "manifest")
        elif what in _CONTENTS:
            self._pulled(exchange, outcome, whole_image=handler == "manifest")
        elif method == "delete":
            count("registry_deletes_total", outcome)
        if outcome == "failed" and exchange.repository is not None:
            self._recent.add("repository_failures", exchange.repository)

    def asked_for_right(self, status: int, *, let_in: bool, named: bool, claimed: bool) -> None:
        """How the question for a right ended. `named`: as a user; `claimed`: the request carried a login."""
        if status == _UNAUTHORIZED:
            result = "failed" if claimed else "challenged"
        elif status in _AUTH_RESULTS and not let_in:
            result = _AUTH_RESULTS[status]
        elif let_in:
            result = "accepted" if named else "anonymous"
        else:
            return  # refused before anybody asked, for example for a malformed name
        self._recorder.count("registry_auth_requests_total", result)

    def login_failed(self, user: str | None, address: str) -> None:
        """A wrong login. `user` is None for a name that nobody has."""
        self._recent.add("user_failed_logins", user or UNKNOWN_USER)
        self._recent.add("address_failed_logins", address)

    def login_remembered(self, hit: bool) -> None:  # noqa: FBT001 - the shape of a callback
        """Whether a login that is right had been checked lately."""
        self._recorder.count("registry_verification_cache_total", "hit" if hit else "miss")

    def _pushed(self, exchange: Exchange, outcome: str, *, whole_image: bool) -> None:
        if whole_image:
            self._recorder.count("registry_pushes_total", outcome)
        self._recorder.count("registry_pushed_bytes_total", outcome, by=exchange.received)
        if outcome == "ok" and exchange.repository is not None and exchange.received:
            self._recent.add("repository_bytes_push", exchange.repository, exchange.received)

    def _pulled(self, exchange: Exchange, outcome: str, *, whole_image: bool) -> None:
        if whole_image:
            self._recorder.count("registry_pulls_total", outcome)
        if outcome == "ok" and exchange.sent:
            ending = "interrupted" if exchange.interrupted else "ok"
            self._recorder.count("registry_pulled_bytes_total", ending, by=exchange.sent)
            if exchange.repository is not None:
                self._recent.add("repository_bytes_pull", exchange.repository, exchange.sent)


def outcome_of(status: int) -> str:
    """The word for a status. Pure."""
    if status < _REFUSED:
        return "ok"
    return "refused" if status < _FAILED else "failed"
