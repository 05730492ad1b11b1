"""Signatures of upload addresses while the http secret changes under several workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.auth.http_secret import with_new_secret, with_previous_secret
from registry_app.http.upload_state import UploadSigner
from registry_app.oci.names import Repository

if TYPE_CHECKING:
    from pathlib import Path

REPOSITORY = Repository.parse("team/app")


def rotate(file: Path, secret: str, *, until: float | None) -> None:
    """Puts a file with a new secret in the place of the old one, as `stackgen rotate` does."""
    new = file.with_name("new")
    new.write_bytes(with_new_secret(file.read_bytes(), secret, now=0.0, previous_until=until))
    new.rename(file)


def test_a_worker_that_has_not_reread_yet_takes_what_another_signed_with_the_new_secret(tmp_path: Path) -> None:
    """The new secret is known to one worker half a second before the other: an upload must not be cut for that."""
    file = tmp_path / "http_secret"
    file.write_bytes(b"first\n")
    late = UploadSigner(secret="", file=file, clock=lambda: 0.0)
    assert late.verifies(late.sign(REPOSITORY, "one"), REPOSITORY, "one")
    rotate(file, "second", until=60.0)
    early = UploadSigner(secret="", file=file, clock=lambda: 0.0)
    assert late.verifies(early.sign(REPOSITORY, "one"), REPOSITORY, "one")


def test_what_the_replaced_secret_signed_counts_until_its_time(tmp_path: Path) -> None:
    """An upload under way goes on; after the time that was given the old secret is worth nothing."""
    now = [0.0]
    file = tmp_path / "http_secret"
    file.write_bytes(b"first\n")
    state = UploadSigner(secret="", file=file).sign(REPOSITORY, "one")
    rotate(file, "second", until=60.0)
    signer = UploadSigner(secret="", file=file, clock=lambda: now[0])
    assert signer.verifies(state, REPOSITORY, "one")
    now[0] = 61.0
    assert not signer.verifies(state, REPOSITORY, "one")


def test_a_way_back_forgets_no_secret_that_still_counts(tmp_path: Path) -> None:
    """An upload that began two rotations ago goes on after the last of them is undone."""
    file = tmp_path / "http_secret"
    file.write_bytes(b"first\n")
    states = [UploadSigner(secret="", file=file).sign(REPOSITORY, "one")]
    for secret in ("second", "third"):
        rotate(file, secret, until=60.0)
        states.append(UploadSigner(secret="", file=file).sign(REPOSITORY, "one"))
    content = with_previous_secret(file.read_bytes(), now=1.0)
    assert content is not None
    assert content.startswith(b"second\n")
    file.write_bytes(content)
    signer = UploadSigner(secret="", file=file, clock=lambda: 1.0)
    assert all(signer.verifies(state, REPOSITORY, "one") for state in states)
    assert with_previous_secret(content, now=61.0) is None


def test_a_signature_of_another_repository_upload_or_secret_is_refused(tmp_path: Path) -> None:
    """The address is bound to all three."""
    file = tmp_path / "http_secret"
    file.write_bytes(b"first\n")
    signer = UploadSigner(secret="", file=file)
    state = signer.sign(REPOSITORY, "one")
    assert not signer.verifies(state, Repository.parse("team/other"), "one")
    assert not signer.verifies(state, REPOSITORY, "two")
    assert not UploadSigner(secret="another", file=None).verifies(state, REPOSITORY, "one")
