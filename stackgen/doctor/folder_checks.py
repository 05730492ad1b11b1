"""What lies in the stack's folder, and STORAGE_DIR. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stackgen.doctor.findings import Finding, Kind
from stackgen.shell import compose_line, shell_line, stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stackgen.doctor import facts
    from stackgen.folder import StackFolder
    from stackgen.losses import Loss
    from stackgen.stack import Waiting

_OTHERS = 0o007


def check_losses(losses: Iterable[Loss]) -> Iterator[Finding]:
    """Secrets that are gone."""
    for loss in losses:
        yield Finding(Kind.SECRET_MISSING, str(loss.file), f"it is {loss.state}: {loss.meaning}", loss.remedy)


def check_render(pending: Sequence[str], waiting: Iterable[Waiting], *, root: str, remedy: str) -> Iterator[Finding]:
    """What a render would change, and what it left to the user."""
    if pending:
        some = ", ".join(pending[:3]) + (f" and {len(pending) - 3} more" if len(pending) > 3 else "")  # noqa: PLR2004
        yield Finding(Kind.RENDER_PENDING, root, f"render would change {some}", remedy)
    for one in waiting:
        yield Finding(Kind.EDIT_BEHIND, str(one.file), one.reason, one.remedy)


def check_files(files: Iterable[facts.File], *, group: int, folder: StackFolder) -> Iterator[Finding]:
    """Modes of the secrets that are there: nobody else may read them, the containers must."""
    files = tuple(files)
    if hidden := next((file for file in files if file.hidden), None):
        yield Finding(
            Kind.SECRETS_HIDDEN,
            str(Path(hidden.path).parent),
            "you may not look into it, so its files were not examined",
            "run doctor as the user who made the stack, or with sudo",
        )
    for file in files:
        if file.hidden or file.mode is None:
            continue
        path = Path(file.path)
        if file.mode & _OTHERS:
            rotate = f"; then: {stackgen_line(folder, 'rotate', *file.rotation)}" if file.rotation else ""
            yield Finding(
                Kind.SECRET_OPEN,
                file.path,
                f"its mode is {file.mode:04o}: everybody here can read it",
                shell_line("chmod", "o=", path) + rotate,
            )
        if file.shared and (file.gid != group or not file.mode & 0o040):
            yield Finding(
                Kind.SECRET_GROUP,
                file.path,
                f"group {file.gid}, mode {file.mode:04o}: the containers' group {group} can't read it",
                shell_line("sudo", "chgrp", str(group), path) + " && " + shell_line("chmod", "g+r", path),
            )


def check_unseen(unseen: Sequence[Path], *, folder: StackFolder) -> Iterator[Finding]:
    """Secrets that the running registry has otherwise than they lie here."""
    if unseen:
        yield Finding(
            Kind.SECRETS_UNSEEN,
            str(folder.secrets),
            f"the running registry has another {unseen[0].name}: this folder was put in the place of the one that it "
            "reads, so no change of users, passwords or rules reaches it",
            compose_line(folder, "up", "-d", "--wait", "--force-recreate"),
        )


def check_first_password(lost: Path | None, *, rotate: str) -> Iterator[Finding]:
    """The file with the first user's password, where it is gone and that user is still there."""
    if lost is not None:
        yield Finding(
            Kind.PASSWORD_UNKNOWN,
            str(lost),
            "it is gone; the password still counts, for whoever has it elsewhere",
            f"another one: {rotate}",
        )


def check_storage(storage: facts.File | None, *, owner: str) -> Iterator[Finding]:
    """STORAGE_DIR, which the registry's user must own; None where a volume is used."""
    if storage is None:
        return
    if storage.mode is None or f"{storage.uid}:{storage.gid}" != owner:
        path = Path(storage.path)
        have = "it is missing" if storage.mode is None else f"it belongs to {storage.uid}:{storage.gid}"
        yield Finding(
            Kind.STORAGE_OWNER,
            storage.path,
            f"{have}, and the registry runs as {owner}",
            shell_line("sudo", "install", "-d", path) + " && " + shell_line("sudo", "chown", "-R", owner, path),
        )
