"""Durations and sizes as people write them in a configuration."""

from __future__ import annotations

import re

# "A duration string is a possibly signed sequence of decimal numbers, each with optional fraction and a unit
# suffix" (Go's time.ParseDuration, which upstream's configuration uses).
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+)\s*(?:([KMGT])(i?)B?|B)?", re.IGNORECASE)
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}


def parse_duration(text: str) -> float:
    """Seconds of `1h30m`, `168h`, `300ms`; a bare number counts nanoseconds, as in upstream. Raises ValueError."""
    text = text.strip()
    if text.isdecimal():
        return int(text) / 1e9
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration: write one like 30s, 15m or 168h")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_size(text: str) -> int:
    """Bytes of `1GiB`, `500MB`, `20MiB`, `4096`. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size: write one like 512MiB or 1GiB")
    number, power, binary = match.groups()
    if power is None:
        return int(number)
    base = 1024 if binary else 1000
    return int(number) * int(base ** _POWERS[power.upper()])
