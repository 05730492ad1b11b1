"""Proves who is calling: Basic, or a Bearer token fetched for a scope (distribution's token specification, OAuth 2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from stackgen.distribution.addresses import is_loopback
from stackgen.distribution.challenges import parse_challenges
from stackgen.distribution.refusals import refusal
from stackgen.distribution.transport import LineCut, Request, Response, Transport, follow
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackgen.distribution.logins import Login

_OK = 200


class Authorization:
    """The Authorization headers for one origin, kept per scope; learnt from the registry's challenges."""

    def __init__(self, origin: str, *, transport: Transport, login: Login | None) -> None:
        self._origin = origin
        self._transport = transport
        self._login = login
        self._known: dict[str, str] = {}

    def header(self, url: str, *, scope: str) -> Mapping[str, str]:
        """The header for a URL of this origin; none for any other, such as an upload location elsewhere."""
        known = self._known.get(scope)
        return {"Authorization": known} if known and url.startswith(f"{self._origin}/") else {}

    def forget(self, *, scope: str) -> None:
        """Ask anew next time: a token may have run out."""
        self._known.pop(scope, None)

    def answer(self, response: Response, *, scope: str) -> bool:
        """Whether there is something to send for a 401 that was not sent before."""
        before = self._known.get(scope)
        for challenge in parse_challenges(", ".join(response.headers.get_all("WWW-Authenticate") or ())):
            if challenge.scheme == "bearer" and "realm" in challenge.parameters:
                self._known[scope] = self._fetch_token(challenge.parameters, scope)
                return before is None
            if challenge.scheme == "basic" and self._login is not None and not self._login.identity_token:
                self._known[scope] = self._login.basic
                return before is None
        return False

    def _fetch_token(self, parameters: Mapping[str, str], scope: str) -> str:
        realm = urlsplit(follow(self._origin, parameters["realm"]))
        if realm.scheme != "https" and not is_loopback(realm.netloc):
            raise StackgenError(
                f"{self._origin} wants its login sent to {realm.netloc} without TLS",
                hint="don't; its owner must give the token service TLS",
            )
        fields = {"service": parameters.get("service", ""), "scope": scope}
        try:
            response = self._transport.send(self._token_request(realm.geturl(), fields))
        except LineCut as error:
            raise StackgenError(
                f"the line to {realm.netloc}, which gives {self._origin} its tokens, broke: {error}",
                hint="run the same command again",
            ) from error
        if response.status != _OK:
            raise refusal(response, host=realm.netloc, what=f"a token for {scope}")
        try:
            answer = json.loads(response.body)
            token = answer.get("token") or answer["access_token"]
        except (ValueError, KeyError, AttributeError, RecursionError):
            token = None
        if not (isinstance(token, str) and token.isascii() and token.isprintable()):
            raise StackgenError(f"{realm.netloc} gave no token", hint="is it the right registry?")
        return f"Bearer {token}"

    def _token_request(self, realm: str, fields: dict[str, str]) -> Request:
        if self._login is not None and self._login.identity_token:
            grant = {"grant_type": "refresh_token", "refresh_token": self._login.identity_token}
            form = urlencode({**fields, **grant, "client_id": "stackgen"}).encode()
            return Request("POST", realm, {"Content-Type": "application/x-www-form-urlencoded"}, body=form)
        where = urlsplit(realm)
        query = urlencode([*parse_qsl(where.query), *fields.items()])
        headers = {"Authorization": self._login.basic} if self._login is not None else {}
        return Request("GET", where._replace(query=query).geturl(), headers)
