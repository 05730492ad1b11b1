"""One question for every request: who calls, and may they? Asked before anything is looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.auth.identity import Action, Identity
from registry_app.auth.policy import Rules, decide
from registry_app.errors import ErrorCode, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_app.auth.authentication import Authenticator


class Authorizer:
    """Joins the proof of identity with the rules in force."""

    def __init__(self, authenticator: Authenticator, rules: Callable[[], Rules]) -> None:
        self._authenticator = authenticator
        self._rules = rules

    def identify(self, authorization: str | None, *, address: str) -> Identity:
        """The caller, as the Authorization header proves it. Raises UNAUTHORIZED or TOOMANYREQUESTS."""
        return self._authenticator.authenticate(authorization, address=address)

    def require(self, identity: Identity, action: Action, repository: str | None = None) -> None:
        """Nothing, if the caller may do `action` to `repository` (None: to the registry as a whole).

        Raises UNAUTHORIZED to whoever may yet log in, DENIED to a user who may not, and to everyone where there are
        no users, with one and the same text whether the repository exists or not.
        """
        if self.may(identity, action, repository):
            return
        if identity.name is None and self._authenticator.asks:
            raise self._authenticator.unauthorized()
        raise RegistryError(ErrorCode.DENIED)

    def may(self, identity: Identity, action: Action, repository: str | None = None) -> bool:
        """Whether a caller who was already identified may do something more, as mount does with its source."""
        if action is Action.LOGIN and not self._authenticator.asks:
            return True
        return decide(self._rules(), identity, action, repository).allowed

    def readable(self, identity: Identity) -> Callable[[str], bool]:
        """A test for repositories that the caller may see in the catalog and in searches: listed and pulled."""
        rules = self._rules().applying_to(identity)
        listing = [rule for rule in rules if Action.CATALOG in rule.actions]
        pulling = [rule for rule in rules if Action.PULL in rule.actions]

        if all(any("**" in rule.repositories for rule in granting) for granting in (listing, pulling)):
            return lambda _repository: True

        def visible(repository: str) -> bool:
            return any(rule.covers(repository) for rule in listing) and any(rule.covers(repository) for rule in pulling)

        return visible
