"""What the service counts of one request, told by whoever answers it; the names of metrics stay in this folder.

Every request passes here, so as little as can be is done while it does: what its operation and its ending mean is known
before, what it was is put on a queue, and the queue is counted many at a time. See docs/decisions/0071.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, TypeVar

from registry_app.metrics.definitions import CODES, DURATION_BUCKETS, HANDLERS, METHODS
from registry_app.metrics.rows import place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_app.metrics.recent import Recent
    from registry_app.metrics.recording import Recorder
    from registry_app.metrics.rows import Row

T = TypeVar("T")

UNKNOWN_USER = "(unknown)"
_CODE_NAMES = {int(code): code for code in CODES if code.isdigit()}
_METHOD_NAMES = {method.upper(): method for method in METHODS}
_BODIES = {("blob_upload", "post"), ("blob_upload_chunk", "patch"), ("blob_upload_chunk", "put"), ("manifest", "put")}
_CONTENTS = {("blob", "get"), ("manifest", "get")}
_IN_FLIGHT = {handler: place_of("registry_http_in_flight_requests", handler) for handler in HANDLERS}
_SENT = place_of("registry_pulled_bytes_total", "ok")
_INTERRUPTED = place_of("registry_pulled_bytes_total", "interrupted")
_HIT = place_of("registry_verification_cache_total", "hit")
_MISS = place_of("registry_verification_cache_total", "miss")
_DURATION_SUM = len(DURATION_BUCKETS) + 1
_FAILURES = "repository_failures"
_REFUSED, _FAILED = 400, 500
_AUTH_RESULTS = {403: "denied", 429: "throttled"}
_UNAUTHORIZED = 401
# Wrong logins: their answers are delayed, and whoever guesses must not make the registry look slow.
_KEPT_WAITING = {"failed", "throttled"}


MOST_WAITING = 64
"""So many exchanges wait to be counted at most: few enough to be in the processor's caches still."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One method of one handler, by the names that the table lists; `open` has an item for each request in hand."""

    handler: str
    method: str
    open: list[None]


@dataclass(frozen=True, slots=True, eq=False)
class Ending:
    """What every request adds to that ends this way.

    One to each place of `ones`, its time to the histogram at `duration` (None where it was kept waiting on purpose),
    the bytes of its body at `received` (None where bodies are not counted), and those of its answer if it `sends`
    content. `board` is where its repository stands out.
    """

    operation: Operation
    ones: tuple[int, ...]
    duration: int | None
    received: int | None
    sends: bool
    board: str | None


Exchange = tuple[Ending, float, int, int, bool, str | None]
"""How a request ended, its seconds, bytes received and sent, whether its reader left, the repository.

No class: one is made for each request.
"""


class Traffic:
    """Counts requests. What is asked while a request is answered needs no lock: its parts are atomic in Python."""

    def __init__(self, recorder: Recorder, recent: Recent) -> None:
        self._recorder = recorder
        self._recent = recent
        self._open: dict[str, list[None]] = {handler: [] for handler in HANDLERS}
        self._ended: deque[Exchange] = deque()
        self._lookups: deque[bool] = deque()

    def operation(self, handler: str, method: str) -> Operation:
        """The operation of a request; what the table of metrics does not list is `none` and `unknown`."""
        handler = handler if handler in HANDLERS else "none"
        return Operation(handler, _METHOD_NAMES.get(method, "unknown"), self._open[handler])

    def ended(self, exchange: Exchange) -> None:
        """The answer is out, or its reader is gone; `open` of its operation got an item when it began."""
        exchange[0].operation.open.pop()
        self._ended.append(exchange)
        if len(self._ended) >= MOST_WAITING:
            self.count()

    def count(self) -> None:
        """Adds what has ended since to the row; to be called once a second, before a scrape and at the end."""
        stood_out = Counter[tuple[str, str]]()
        with self._recorder.lock:
            row, alike = self._recorder.row, defaultdict[Ending, list[Exchange]](list)
            for exchange in _taken(self._ended):
                alike[exchange[0]].append(exchange)
            for ending, exchanges in alike.items():
                _count(row, ending, exchanges, stood_out)
            lookups = _taken(self._lookups)
            row[_HIT] += sum(lookups)
            row[_MISS] += len(lookups) - sum(lookups)
            for handler, waiting in self._open.items():
                row[_IN_FLIGHT[handler]] = len(waiting)
        for (board, repository), amount in stood_out.items():
            self._recent.add(board, repository, amount)

    def refused(self, status: int) -> None:
        """What was no request: nobody knows its address, its method or how long it took."""
        place = place_of("registry_http_requests_total", "none", _CODE_NAMES.get(status, "other"), "unknown")
        with self._recorder.lock:
            self._recorder.row[place] += 1

    def login_failed(self, user: str | None, address: str) -> None:
        """A wrong login. `user` is None for a name that nobody has."""
        self._recent.add("user_failed_logins", user or UNKNOWN_USER)
        self._recent.add("address_failed_logins", address)

    def login_remembered(self, hit: bool) -> None:  # noqa: FBT001 - the shape of a callback
        """Whether a login that is right had been checked lately."""
        self._lookups.append(hit)
        if len(self._lookups) >= MOST_WAITING:
            self.count()


def _taken(queue: deque[T]) -> list[T]:
    """What waits now, taken from the queue; what others put there meanwhile is for the next time."""
    return [queue.popleft() for _ in range(len(queue))]


def _count(row: Row, ending: Ending, exchanges: Sequence[Exchange], stood_out: Counter[tuple[str, str]]) -> None:
    """Adds exchanges that ended alike to a row, and to what stood out on the board of their ending."""
    _, seconds, received, sent, interrupted, repositories = zip(*exchanges, strict=True)
    for place in ending.ones:
        row[place] += len(exchanges)
    if ending.duration is not None:
        _spread(row, ending.duration, sorted(seconds))
    if ending.received is not None:
        row[ending.received] += sum(received)
    if ending.sends:
        lost = sum(compress(sent, interrupted))
        row[_INTERRUPTED] += lost
        row[_SENT] += sum(sent) - lost
    if ending.board is None:
        return
    amounts = sent if ending.sends else received
    for repository, amount, cut in zip(repositories, amounts, interrupted, strict=True):
        gives = 1 if ending.board == _FAILURES else 0 if ending.sends and cut else amount
        if repository is not None and gives:
            stood_out[ending.board, repository] += gives


def _spread(row: Row, start: int, seconds: Sequence[float]) -> None:
    """Adds times, in order, to the histogram at `start`: one to the bucket of each, all of them to the sum."""
    below = 0
    for bucket, bound in enumerate(DURATION_BUCKETS):
        if below == len(seconds):
            break
        up_to = bisect_right(seconds, bound, below)
        row[start + bucket] += up_to - below
        below = up_to
    row[start + len(DURATION_BUCKETS)] += len(seconds) - below
    row[start + _DURATION_SUM] += sum(seconds)


def ending_of(operation: Operation, status: int, asked: str | None) -> Ending:
    """What a request adds to that ends with this status; `asked` is how the question for a right ended. Pure."""
    handler, method, outcome = operation.handler, operation.method, outcome_of(status)
    pushes, pulls = (handler, method) in _BODIES, (handler, method) in _CONTENTS
    ones: list[tuple[str, ...]] = [("registry_http_requests_total", handler, _CODE_NAMES.get(status, "other"), method)]
    if asked is not None:
        ones.append(("registry_auth_requests_total", asked))
    if handler == "manifest" and (pushes or pulls):
        ones.append(("registry_pushes_total" if pushes else "registry_pulls_total", outcome))
    if method == "delete":
        ones.append(("registry_deletes_total", outcome))
    return Ending(
        operation,
        ones=tuple(place_of(*key) for key in ones),
        duration=(
            None if asked in _KEPT_WAITING else place_of("registry_http_request_duration_seconds", handler, method)
        ),
        received=place_of("registry_pushed_bytes_total", outcome) if pushes else None,
        sends=pulls and outcome == "ok",
        board=_board(outcome, pushes=pushes, pulls=pulls),
    )


def _board(outcome: str, *, pushes: bool, pulls: bool) -> str | None:
    if outcome == "failed":
        return _FAILURES
    if outcome != "ok":
        return None
    return "repository_bytes_push" if pushes else "repository_bytes_pull" if pulls else None


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
