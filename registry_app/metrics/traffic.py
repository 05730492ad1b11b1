"""What the service counts of one request, told by whoever answers it; the names of metrics stay in this folder."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.metrics.definitions import CODES, DURATION_BUCKETS, HANDLERS, METHODS
from registry_app.metrics.rows import place_of

if TYPE_CHECKING:
    from registry_app.metrics.recent import Recent
    from registry_app.metrics.recording import Recorder

UNKNOWN_USER = "(unknown)"
_CODE_NAMES = {int(code): code for code in CODES if code.isdigit()}
_METHOD_NAMES = {method.upper(): method for method in METHODS}
_HANDLER_NAMES = {handler: handler for handler in HANDLERS}
_BODIES = {("blob_upload", "post"), ("blob_upload_chunk", "patch"), ("blob_upload_chunk", "put"), ("manifest", "put")}
_CONTENTS = {("blob", "get"), ("manifest", "get")}
_IN_FLIGHT = {handler: place_of("registry_http_in_flight_requests", handler) for handler in HANDLERS}
_SENT = place_of("registry_pulled_bytes_total", "ok")
_INTERRUPTED = place_of("registry_pulled_bytes_total", "interrupted")
_HIT = place_of("registry_verification_cache_total", "hit")
_MISS = place_of("registry_verification_cache_total", "miss")
_DURATION_SUM = len(DURATION_BUCKETS) + 1
_REFUSED, _FAILED = 400, 500
_AUTH_RESULTS = {403: "denied", 429: "throttled"}
_UNAUTHORIZED = 401


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its answer. `asked`: how the question for a right ended, None where nobody asked."""

    method: str
    handler: str = "none"
    status: int = 0
    seconds: float = 0.0
    repository: str | None = None
    received: int = 0
    sent: int = 0
    interrupted: bool = False
    asked: str | None = None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class _Tally:
    """What every exchange of one kind adds to: one to each of `ones`, its time to the histogram at `duration`."""

    outcome: str
    ones: tuple[tuple[int, float], ...]
    duration: int
    received: int | None
    sends: bool


class Traffic:
    """Counts exchanges; each in one go, for this is on the way of every request."""

    def __init__(self, recorder: Recorder, recent: Recent) -> None:
        self._recorder = recorder
        self._recent = recent
        # Bounded: handlers and methods are listed, statuses and results are ours.
        self._tallies: dict[tuple[str, str, int, str | None], _Tally] = {}

    def begun(self, exchange: Exchange) -> None:
        """A request whose handler is known is being answered."""
        exchange.begun = True
        exchange.handler = _HANDLER_NAMES.get(exchange.handler, "none")
        self._recorder.add_one(_IN_FLIGHT[exchange.handler])

    def ended(self, exchange: Exchange) -> None:
        """The answer is out, or its reader is gone."""
        method = _METHOD_NAMES.get(exchange.method, "unknown")
        kind = (exchange.handler, method, exchange.status, exchange.asked)
        tally = self._tallies.get(kind)
        if tally is None:
            tally = self._tallies[kind] = _tally(*kind)
        seconds = exchange.seconds
        amounts = [
            *tally.ones,
            (tally.duration + bisect_left(DURATION_BUCKETS, seconds), 1),
            (tally.duration + _DURATION_SUM, seconds),
        ]
        if exchange.begun:
            amounts.append((_IN_FLIGHT[exchange.handler], -1))
        if tally.received is not None:
            amounts.append((tally.received, exchange.received))
        if tally.sends and exchange.sent:
            amounts.append((_INTERRUPTED if exchange.interrupted else _SENT, exchange.sent))
        self._recorder.add(amounts)
        if exchange.repository is not None:
            self._stood_out(exchange, exchange.repository, tally)

    def _stood_out(self, exchange: Exchange, repository: str, tally: _Tally) -> None:
        if tally.outcome == "failed":
            self._recent.add("repository_failures", repository)
        elif tally.received is not None and tally.outcome == "ok" and exchange.received:
            self._recent.add("repository_bytes_push", repository, exchange.received)
        elif tally.sends and exchange.sent:
            self._recent.add("repository_bytes_pull", repository, exchange.sent)

    def login_failed(self, user: str | None, address: str) -> None:
        """A wrong login. `user` is None for a name that nobody has."""
        self._recent.add("user_failed_logins", user or UNKNOWN_USER)
        self._recent.add("address_failed_logins", address)

    def login_remembered(self, hit: bool) -> None:  # noqa: FBT001 - the shape of a callback
        """Whether a login that is right had been checked lately."""
        self._recorder.add_one(_HIT if hit else _MISS)


def asked_for_right(status: int, *, let_in: bool, named: bool, claimed: bool) -> str | None:
    """How the question for a right ended. `named`: as a user; `claimed`: the request carried a login. Pure."""
    if let_in:
        return "accepted" if named else "anonymous"
    if status == _UNAUTHORIZED:
        return "failed" if claimed else "challenged"
    # None: refused before anybody asked, for example for a malformed name.
    return _AUTH_RESULTS.get(status)


def outcome_of(status: int) -> str:
    """The word for a status. Pure."""
    if status < _REFUSED:
        return "ok"
    return "refused" if status < _FAILED else "failed"


def _tally(handler: str, method: str, status: int, asked: str | None) -> _Tally:
    """What an exchange of this kind adds to. Pure."""
    outcome = outcome_of(status)
    pushes, pulls = (handler, method) in _BODIES, (handler, method) in _CONTENTS
    ones: list[tuple[str, ...]] = [("registry_http_requests_total", handler, _CODE_NAMES.get(status, "other"), method)]
    if asked is not None:
        ones.append(("registry_auth_requests_total", asked))
    if handler == "manifest" and (pushes or pulls):
        ones.append(("registry_pushes_total" if pushes else "registry_pulls_total", outcome))
    if method == "delete":
        ones.append(("registry_deletes_total", outcome))
    return _Tally(
        outcome=outcome,
        ones=tuple((place_of(*key), 1.0) for key in ones),
        duration=place_of("registry_http_request_duration_seconds", handler, method),
        received=place_of("registry_pushed_bytes_total", outcome) if pushes else None,
        sends=pulls and outcome == "ok",
    )
