"""From an Authorization header to an identity, or a refusal that says the same to everyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.auth.basic import BadCredentialsError, parse_basic
from registry_app.auth.identity import ANONYMOUS, Identity
from registry_app.auth.verification import TooManyAttemptsError, Verifier
from registry_app.errors import ErrorCode, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class LoginFailure:
    """One refused claim. `user` is the claimed name if there is such a user; else None, as people type passwords."""

    user: str | None
    address: str
    reason: str


class Authenticator:
    """Proves who calls, by HTTP Basic against htpasswd; without a verifier everyone is anonymous.

    A way of proof yet to come (a token) takes this class's place: it needs only `authenticate`, `unauthorized` and
    `asks`, which says whether anybody can log in.
    """

    def __init__(
        self,
        verifier: Verifier | None,
        *,
        realm: str = "registry",
        on_failure: Callable[[LoginFailure], None] = lambda _: None,
    ) -> None:
        self._verifier = verifier
        self._on_failure = on_failure
        self.asks = verifier is not None
        self.challenge = {"WWW-Authenticate": f'Basic realm="{_quotable(realm)}"'}

    def authenticate(self, authorization: str | None, *, address: str) -> Identity:
        """Who calls. Raises RegistryError UNAUTHORIZED for a claim that does not hold, or TOOMANYREQUESTS."""
        if self._verifier is None:
            return ANONYMOUS
        try:
            credentials = parse_basic(authorization)
        except BadCredentialsError as error:
            self._on_failure(LoginFailure(None, address, str(error)))
            raise self.unauthorized() from None
        if credentials is None:
            return ANONYMOUS
        known = credentials.user if self._verifier.knows(credentials.user) else None
        try:
            right = self._verifier.verify(credentials, address=address)
        except TooManyAttemptsError as error:
            reason = "wrong name or password, too many failures" if error.checked else "not checked, too many failures"
            self._on_failure(LoginFailure(known, address, reason))
            raise RegistryError(
                ErrorCode.TOOMANYREQUESTS,
                message="too many failed logins: come back as Retry-After says; a right password is let in",
                headers={"Retry-After": str(error.retry_after)},
            ) from None
        if not right:
            self._on_failure(LoginFailure(known, address, "wrong name or password"))
            raise self.unauthorized()
        return Identity(credentials.user)

    def unauthorized(self) -> RegistryError:
        """The refusal that asks for credentials."""
        return RegistryError(ErrorCode.UNAUTHORIZED, headers=self.challenge)


def _quotable(realm: str) -> str:
    """The realm as it may stand in a quoted-string (RFC 9110 section 5.6.4)."""
    return "".join(c for c in realm if c.isprintable() and c.isascii()).replace("\\", r"\\").replace('"', r"\"")
