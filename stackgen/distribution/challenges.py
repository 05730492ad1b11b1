"""What a registry asks for in WWW-Authenticate (RFC 9110 section 11.6.1; distribution's token specification). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - a grammar, not a secret
_PARAMETER = re.compile(rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))\s*(?:,\s*)?')
_SCHEME = re.compile(rf"\s*({_TOKEN})(?:\s+|\s*,\s*|$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way of authenticating that the registry offers: `scheme` in lower case and its parameters."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Every challenge of a WWW-Authenticate header, in order; what can't be read is left out, never raised."""
    challenges: list[Challenge] = []
    position = 0
    while (scheme := _SCHEME.match(header, position)) is not None:
        position = scheme.end()
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(header, position)) is not None:
            quoted, bare = parameter[2], parameter[3]
            parameters[parameter[1].lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            position = parameter.end()
        challenges.append(Challenge(scheme=scheme[1].lower(), parameters=parameters))
    return tuple(challenges)
