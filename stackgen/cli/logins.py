"""How to log in to a stack, as whoever there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackgen.cli.terminal import command_line, say, warn
from stackgen.errors import StackgenError
from stackgen.folder import StackFolder
from stackgen.rotation.secrets import load_users
from stackgen.shell import shell_line, stackgen_line

if TYPE_CHECKING:
    from pathlib import Path


def tell_login(folder: StackFolder, admin: str, authority: str, *, seen_from: Path | None = None) -> None:
    """The lines for a login as the first user while there is one, else as whoever there is.

    `seen_from` is the folder in which the lines are to be typed, where that is not the present one.
    """
    try:
        users = sorted(load_users(folder).hashes)
    except StackgenError as error:
        warn(f"{error.message}: {error.hint}")
        return
    here = StackFolder(folder.root.relative_to(seen_from)) if seen_from is not None else folder
    if not users:
        warn("there is no user, so nobody can log in")
        command_line(stackgen_line(here, "users", "add", admin))
        return
    if admin not in users:
        say(f"  the first user, {admin}, was removed; see: {stackgen_line(here, 'users', 'list')}")
    elif folder.admin_password.exists():
        command_line(shell_line("cat", here.admin_password), f"password of {admin}")
    else:
        command_line(stackgen_line(here, "users", "passwd", admin), f"if nobody knows the password of {admin}")
    command_line(shell_line("docker", "login", "-u", admin if admin in users else users[0], authority))
