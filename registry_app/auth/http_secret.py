"""The http secret's file: the secret that signs, and those before it that still verify.

One secret a line, the first signs. `#previous UNTIL secret` verifies until a moment (RFC 3339, UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from registry_app.auth.watched import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARK = b"#previous "
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class HttpSecret:
    """One secret; `until` is seconds since the epoch for one that was replaced, else None."""

    text: bytes = field(repr=False)
    until: float | None = None

    def counts(self, now: float) -> bool:
        """Whether it still verifies."""
        return self.until is None or now < self.until


def parse_secrets(content: bytes) -> tuple[HttpSecret, ...]:
    """The secrets of a file, the one that signs first. Raises FileRefusedError where there is none."""
    found = [_parse_line(line.strip()) for line in content.splitlines() if line.strip()]
    secrets = tuple(secret for secret in found if secret is not None)
    if not secrets or secrets[0].until is not None:
        raise FileRefusedError("holds no secret on its first line")
    return secrets


def with_new_secret(content: bytes, secret: str, *, now: float, previous_until: float | None) -> bytes:
    """The file's text with another secret that signs; the last one stays until then, what has run out goes."""
    try:
        old = parse_secrets(content)
    except FileRefusedError:
        old = ()
    kept = [HttpSecret(one.text, previous_until if one.until is None else one.until) for one in old]
    return _written(secret.encode(), kept if previous_until is not None else [], now=now)


def with_previous_secret(content: bytes, *, now: float) -> bytes | None:
    """The file's text with the secret before the last change signing again, None if that has run out.

    The newer one verifies for as long as the older would have; all others until their time.
    """
    current, *before = [one for one in parse_secrets(content) if one.counts(now)]
    if not before:
        return None
    previous, *others = before
    return _written(previous.text, [HttpSecret(current.text, previous.until), *others], now=now)


def _written(signing: bytes, kept: Iterable[HttpSecret], *, now: float) -> bytes:
    lines = [signing]
    for one in kept:
        if one.counts(now) and one.until is not None:
            moment = datetime.fromtimestamp(one.until, UTC).strftime(_TIME)
            lines.append(_MARK + moment.encode() + b" " + one.text)
    return b"\n".join(lines) + b"\n"


def _parse_line(line: bytes) -> HttpSecret | None:
    """A secret; None for a replaced one whose time can't be read: it counts no more."""
    if not line.startswith(_MARK):
        return HttpSecret(line)
    moment, _, text = line.removeprefix(_MARK).partition(b" ")
    try:
        until = datetime.strptime(moment.decode(), _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return HttpSecret(text, until)
