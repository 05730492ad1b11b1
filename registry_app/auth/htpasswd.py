"""Users and their bcrypt hashes in an htpasswd file: reading, checking of lines, and pure changes of the text.

As in distribution: one `name:hash` a line, `#` starts a comment, the last line of a name wins, bcrypt alone counts.
One comment is ours: `#previous UNTIL name:hash` keeps a replaced hash valid until a moment (RFC 3339, UTC), so that
a password can be changed while its old holders still run. Other readers of htpasswd files skip it.
"""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import bcrypt

from registry_app.auth.user_names import check_user_name
from registry_app.auth.watched import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST_PASSWORD = 72
"""Bytes. bcrypt ignores what comes after them, so longer passwords are refused rather than cut."""
COST = 10
LOWEST_COST, HIGHEST_COST = 4, 16
"""bcrypt's lowest, and the highest that one login may cost the registry (about four seconds)."""

NO_USERS = b"# no users: nobody can log in\n"
"""What a file without users holds."""

_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_PREVIOUS = re.compile(r"#previous (\S+) (.*)", re.DOTALL)
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class StoredHash:
    """One bcrypt hash of a user; `until` is seconds since the epoch for a hash that was replaced, else None."""

    text: bytes = field(repr=False)
    until: float | None = None

    @property
    def work(self) -> int:
        """Rounds of bcrypt that a check takes."""
        return 1 << int(self.text[4:6])


@dataclass(frozen=True, slots=True)
class Users:
    """What an htpasswd file says: hashes by user name, and the lines that can't be used."""

    hashes: Mapping[str, tuple[StoredHash, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    _most_work: int = field(init=False, repr=False, default=0)
    """Of users with one hash alone, as nearly all have: of thousands it is not to be found out at each login."""
    _replaced: tuple[str, ...] = field(init=False, repr=False, default=())
    """Users with several."""

    def __post_init__(self) -> None:
        """Finds out once what stays."""
        single = [hashes[0].work for hashes in self.hashes.values() if len(hashes) == 1]
        object.__setattr__(self, "_most_work", max(single, default=0))
        object.__setattr__(self, "_replaced", tuple(user for user, hashes in self.hashes.items() if len(hashes) > 1))

    def valid(self, user: str, now: float) -> tuple[StoredHash, ...]:
        """The user's hashes that count at `now` (seconds since the epoch); none for an unknown user."""
        return tuple(h for h in self.hashes.get(user, ()) if h.until is None or now < h.until)

    def most_work(self, now: float) -> int:
        """Rounds of bcrypt that checking the dearest user takes: what checking anybody must seem to take."""
        if not self.hashes:
            return 1 << COST
        replaced = (sum(one.work for one in self.valid(user, now)) for user in self._replaced)
        return max(self._most_work, max(replaced, default=0))


def parse_htpasswd(content: bytes) -> Users:
    """The users of an htpasswd file. Broken lines let nobody in and are reported by number, never by content.

    Raises FileRefusedError if there are lines and none of them can be used, and for a file without any: that is what
    a full disk or a careless `>` leaves. A comment alone says that there shall be no user.
    """
    if not content.removeprefix(BOM_UTF8).strip():
        raise FileRefusedError("is empty: to let nobody in, leave one line that begins with #")
    current: dict[str, StoredHash] = {}
    previous: list[tuple[str, StoredHash]] = []
    problems: list[str] = []
    for number, line in enumerate(content.removeprefix(BOM_UTF8).split(b"\n"), start=1):
        try:
            parsed = _parse_line(line.strip())
        except ValueError as error:
            problems.append(f"line {number} {error}")
            continue
        if parsed is None:
            continue
        if parsed[1].until is not None:
            previous.append(parsed)
        else:
            if parsed[0] in current:
                problems.append(f"line {number} names a user for the second time; this later line counts")
            current[parsed[0]] = parsed[1]
    if problems and not current:
        raise FileRefusedError("; ".join(problems[:20]))
    replaced = {user: tuple(h for name, h in previous if name == user) for user, _ in previous if user in current}
    return Users({user: (h, *replaced.get(user, ())) for user, h in current.items()}, tuple(problems[:20]))


def _parse_line(line: bytes) -> tuple[str, StoredHash] | None:
    """The user and hash of a line; None for a blank line or a comment. Raises ValueError with what is wrong."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    until = None
    if mark := _PREVIOUS.fullmatch(text):
        try:
            until = datetime.strptime(mark[1], _TIME).replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise ValueError("has no time like 2030-01-31T12:00:00Z after #previous") from None
        text = mark[2]
    elif not text or text.startswith("#"):
        return None
    user, colon, stored = text.partition(":")
    if not colon or not user:
        raise ValueError("is not of the form user:hash")
    check_user_name(user)
    if not (found := _HASH.fullmatch(stored)):
        raise ValueError("holds no bcrypt hash ($2a$, $2b$ or $2y$): make one with `stackgen users` or `htpasswd -B`")
    if not LOWEST_COST <= int(found[1]) <= HIGHEST_COST:
        raise ValueError(f"has a bcrypt cost outside {LOWEST_COST} to {HIGHEST_COST}")
    return user, StoredHash(stored.encode(), until)


def check_password(password: bytes) -> None:
    """Raises ValueError, with the reason, if bcrypt can't tell `password` from another."""
    if not password:
        raise ValueError("the password is empty")
    if len(password) > LONGEST_PASSWORD:
        raise ValueError(f"the password has {len(password)} bytes; bcrypt takes {LONGEST_PASSWORD} at most")
    if b"\0" in password:
        raise ValueError("the password holds a NUL byte")


def hash_password(password: bytes, cost: int = COST) -> str:
    """A fresh bcrypt hash in the `$2y$` form that htpasswd writes and every reader knows."""
    check_password(password)
    return "$2y$" + bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()[4:]


def with_user(content: bytes, user: str, stored: str, *, previous_until: float | None = None) -> bytes:
    """The file's text with the user's hash set to `stored`; everything else stays as it is, comments included.

    With `previous_until` (seconds since the epoch) the hash that was in force stays valid until then. Where `stored` is
    in force already, that is the one before it: the same change once more only sets the time.
    """
    check_user_name(user)
    old = find_hash(content, user)
    if old == stored:
        old = _find_previous(content, user)
    text = _filtered(content, lambda line: not speaks_of(line, user))
    if old is not None and previous_until is not None:
        until = datetime.fromtimestamp(previous_until, UTC).strftime(_TIME)
        text += f"#previous {until} {user}:{old}\n".encode()
    return text + f"{user}:{stored}\n".encode()


def without_user(content: bytes, user: str) -> bytes:
    """The file's text without the user, replaced hashes included. Raises KeyError if no line names the user.

    A file that would be empty gets a comment, which says that this is meant.
    """
    text = _filtered(content, lambda line: not speaks_of(line, user))
    if text == _filtered(content, lambda _: True):
        raise KeyError(user)
    return text if text.strip() else NO_USERS


def without_previous(content: bytes, *, expired_at: float | None = None) -> bytes:
    """The file's text without replaced hashes; with `expired_at`, only without those that have run out by then."""

    def stays(line: bytes) -> bool:
        try:
            parsed = _parse_line(line.strip())
        except ValueError:
            return True
        if parsed is None or (until := parsed[1].until) is None:
            return True
        return expired_at is not None and expired_at < until

    return _filtered(content, stays)


def _find_previous(content: bytes, user: str) -> str | None:
    found = parse_htpasswd(content).hashes[user]
    return found[1].text.decode() if len(found) > 1 else None


def find_hash(content: bytes, user: str) -> str | None:
    """The hash in force for `user` in the file's text, or None."""
    try:
        stored = parse_htpasswd(content).hashes.get(user)
    except FileRefusedError:
        return None
    return stored[0].text.decode() if stored else None


def lines_of(content: bytes) -> list[bytes]:
    """The lines of a file's text, without their ends."""
    return content.removeprefix(BOM_UTF8).removesuffix(b"\n").split(b"\n") if content else []


def is_entry(line: bytes, user: str) -> bool:
    """Whether a line, broken or not, is the user's own."""
    return line.strip().startswith(os.fsencode(user) + b":")


def speaks_of(line: bytes, user: str) -> bool:
    """Whether a line is the user's own, or keeps a replaced hash of theirs."""
    bare = line.strip()
    replaced = re.match(rb"#previous \S+ ", bare)
    return is_entry(bare[replaced.end() :] if replaced else bare, user)


def _filtered(content: bytes, stays: Callable[[bytes], bool]) -> bytes:
    return b"".join(line + b"\n" for line in lines_of(content) if stays(line))
