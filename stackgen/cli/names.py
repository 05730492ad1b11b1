"""Names of users, as people type them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.auth.user_names import check_new_user_name, check_user_name
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Callable


def require_name(name: str) -> None:
    """StackgenError, with the reason, unless there can be such a user."""
    _require(check_user_name, name)


def require_new_name(name: str) -> None:
    """StackgenError, with the reason, unless a user may be made with this name."""
    _require(check_new_user_name, name)


def _require(check: Callable[[str], None], name: str) -> None:
    try:
        check(name)
    except ValueError as error:
        raise StackgenError(
            f"{name!r} {error}", hint="choose another name, such as ci-robot or alice@example.com"
        ) from None
