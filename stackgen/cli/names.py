"""Names of users, as people type them."""

from __future__ import annotations

from registry_app.auth.user_names import check_user_name
from stackgen.errors import StackgenError


def require_name(name: str) -> None:
    """StackgenError, with the reason, unless there can be such a user."""
    try:
        check_user_name(name)
    except ValueError as error:
        raise StackgenError(
            f"{name!r} {error}", hint="choose another name, such as ci-robot or alice@example.com"
        ) from None
