"""The types of settings: each refuses what would mean something else in YAML, nginx, Compose or an image reference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from registry_app.auth.user_names import check_new_user_name
from registry_app.plain_text import quoted
from stackgen import hosts

if TYPE_CHECKING:
    import datetime as dt

_LARGEST_ID = 2**32 - 2
# Docker and Prometheus count bytes, and Prometheus nanoseconds, in 63 bits, and end where a number does not fit.
_LARGEST_SIZE = 2**63 - 1
_LEAST_MEMORY = 32 * 2**20
_LONGEST_SECONDS = 100 * 365 * 86400

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_SIZES = {"": 1, "B": 1, "K": 2**10, "KIB": 2**10, "M": 2**20, "MIB": 2**20, "G": 2**30, "GIB": 2**30, "T": 2**40}
_SIZES |= {"TIB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _matching(pattern: str, reason: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(reason)
        return value

    return AfterValidator(check)


def printable(value: str) -> str:
    """The same text; ValueError for control characters, which have no place in a setting."""
    if found := _CONTROL.search(value):
        raise ValueError(f"holds the control character U+{ord(found.group()):04X}")
    return value


def parse_proxy_url(value: str) -> str:
    """An http(s) address without a password: it would be readable in the image's history."""
    printable(value)
    if "@" in value:
        raise ValueError("holds a user or password, which would end up in the rendered file")
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # its own words may hold a password
        known = False
    if not known or re.search(r"[\s\"'\\$]", value):
        raise ValueError("is no http address")
    return value


def parse_bytes(value: str) -> int:
    """Bytes of `1GiB`, `512M`, `1000`."""
    match = re.fullmatch(r"(\d{1,15})\s?([a-zA-Z]{0,3})", value)
    if not match or match[2].upper() not in _SIZES:
        raise ValueError("is no size")
    return int(match[1]) * _SIZES[match[2].upper()]


def parse_duration(value: str) -> int:
    """Seconds of `90s`, `30m`, `1h30m`, `7d`."""
    parts = re.findall(r"(\d{1,9})([smhd])", value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError("is no duration")
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def say_span(span: dt.timedelta) -> str:
    """A time span as people say it, in its largest unit."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def _positive_size(value: str) -> str:
    if parse_bytes(value) <= 0:
        raise ValueError("is zero")
    if parse_bytes(value) > _LARGEST_SIZE:
        raise ValueError("is more than any program can count")
    return value


def _enough_memory(value: str) -> str:
    if parse_bytes(value) < _LEAST_MEMORY:
        raise ValueError("is less than 32MiB, with which no program of the stack runs; a number alone counts bytes")
    return value


def _positive_duration(value: str) -> str:
    if parse_duration(value) <= 0:
        raise ValueError("is zero")
    if parse_duration(value) > _LONGEST_SECONDS:
        raise ValueError("is longer than a hundred years")
    return value


def _check_path(value: str) -> str:
    printable(value)
    if not value:
        raise ValueError("is empty")
    if value.startswith("~"):
        raise ValueError("starts with ~, which Compose would not replace by your home: write the full path")
    return value


def _check_owner(value: str) -> str:
    match = re.fullmatch(r"(\d{1,10}):(\d{1,10})", value)
    if not match or max(int(match[1]), int(match[2])) > _LARGEST_ID:
        raise ValueError("is not uid:gid")
    if int(match[1]) == 0:
        raise ValueError("is root; the registry never runs as root")
    return value


def _check_user(value: str) -> str:
    check_new_user_name(value)
    return value


def _split(value: object) -> object:
    """`a,b` as a tuple; no part is empty, none appears twice."""
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", name):
            raise ValueError(f"holds {quoted(name)}, which is no name of a profile")
    return names


_REFERENCE = (
    r"(?:[a-zA-Z0-9.\-\[\]:]+/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)

Text = Annotated[str, AfterValidator(printable)]
Host = Annotated[Text, AfterValidator(hosts.parse_host)]
IpAddress = Annotated[Text, AfterValidator(hosts.parse_address)]
Url = Annotated[Text, AfterValidator(hosts.parse_url)]
Authority = Annotated[Text, AfterValidator(hosts.parse_authority)]
ProxyUrl = Annotated[str, AfterValidator(parse_proxy_url)]
FilePath = Annotated[str, AfterValidator(_check_path)]
Bytes = Annotated[str, AfterValidator(_positive_size)]
Memory = Annotated[Bytes, AfterValidator(_enough_memory)]
Duration = Annotated[str, AfterValidator(_positive_duration)]
OwnedBy = Annotated[str, AfterValidator(_check_owner)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_check_names)]
Networks = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(hosts.parse_networks)]
ProjectName = Annotated[str, _matching(r"[a-z0-9][a-z0-9_-]{0,62}", "is no name that Compose accepts")]
UserName = Annotated[str, AfterValidator(_check_user)]
GrafanaUser = Annotated[str, _matching(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", "is no user name of Grafana's")]
Tag = Annotated[str, _matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "is no image tag")]
ImageReference = Annotated[str, _matching(_REFERENCE, "is no image reference")]
