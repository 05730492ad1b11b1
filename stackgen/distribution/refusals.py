"""What a registry's refusal means to a person: one table of status, sentence and remedy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from stackgen.distribution.transport import Response

_WORDS = 300
# {host}, {what} was asked for, {reason} in the registry's own words.
_TABLE = {
    401: ("{host} wants a login that it accepts: {reason}", "docker login {host}"),
    403: ("{host} denies {what}: {reason}", "ask its owner for the right to do it"),
    404: ("{what} is not there: {reason}", "is the name right, and has it been pushed?"),
    413: ("{host} finds {what} too large: {reason}", "raise the limit of the proxy before it"),
    429: ("{host} is asked too often: {reason}", "wait a while, or log in: docker login {host}"),
    507: ("{host} has no room: {reason}", "free space there (stackgen gc), then run the same command again"),
}
_OTHERWISE = ("{host} answered {status} to {what}: {reason}", "see the registry's log, then run the same command again")


def refusal(response: Response, *, host: str, what: str) -> StackgenError:
    """The error to raise for an unexpected answer."""
    message, hint = _TABLE.get(response.status, _OTHERWISE)
    values = {"host": host, "what": what, "status": response.status, "reason": _reason(response)}
    return StackgenError(message.format(**values), hint=hint.format(**values))


def _reason(response: Response) -> str:
    """The registry's own words from an OCI error body, on one line; else the HTTP reason."""
    try:
        errors = json.loads(response.body)["errors"]
        words = "; ".join(f"{error['code']}: {error.get('message', '')}" for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        words = ""
    printable = "".join(c if c.isprintable() else " " for c in words)
    return " ".join(printable.split())[:_WORDS] or response.reason or "no reason given"
