"""`stackgen rotate`: every secret in turn, both generations, and the way back."""

from __future__ import annotations

import datetime as dt
import os
import shlex
import shutil

import bcrypt
import pytest

from registry_app.auth.htpasswd import parse_htpasswd
from registry_app.auth.http_secret import parse_secrets
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.rotation import journal
from stackgen.rotation.planning import Request, plan_rotation
from stackgen.rotation.status import load_status
from tests.stackgen.secrets.rotating import assert_modes, assert_works, chain, now, plans


def test_both_passwords_are_valid_for_the_chosen_time_and_the_old_one_can_come_back(stackgen, folder):
    """And the file that people read follows."""
    old = folder.admin_password.read_bytes().strip()
    done = stackgen("rotate", "password", "mystack", "--keep-old", "1h")
    new = folder.admin_password.read_bytes().strip()
    assert new != old
    assert new.decode() not in done.stdout
    users = parse_htpasswd(folder.htpasswd.read_bytes())
    assert [
        bcrypt.checkpw(p, h.text) for p, h in zip((new, old), users.valid("admin", now().timestamp()), strict=True)
    ] == [True, True]
    assert len(users.valid("admin", now().timestamp() + 3601)) == 1
    stackgen("rotate", "password", "mystack", "--undo")
    assert folder.admin_password.read_bytes().strip() == old
    (only,) = parse_htpasswd(folder.htpasswd.read_bytes()).valid("admin", now().timestamp())
    assert bcrypt.checkpw(old, only.text)
    assert "no longer valid" in stackgen("rotate", "password", "mystack", "--undo", code=1).stderr


@pytest.mark.parametrize(("keep_old", "seconds"), [("0s", 0), ("1s", 1), ("90s", 90), ("9m", 540), ("20m", 1200)])
@pytest.mark.parametrize("command", [("rotate", "password"), ("users", "passwd", "admin")])
def test_the_first_users_old_password_counts_for_as_long_as_was_asked(stackgen, folder, command, keep_old, seconds):
    """Not for the ten minutes that an interruption would leave it."""
    began = int(now().timestamp())
    generate = ("--generate",) if command[0] == "users" else ()
    stackgen(*command, "mystack", "--keep-old", keep_old, *generate)
    ended = now().timestamp()
    current, *before = parse_htpasswd(folder.htpasswd.read_bytes()).hashes["admin"]
    assert current.until is None
    assert [began + seconds <= one.until <= ended + seconds for one in before] == [True] * bool(seconds)
    assert_works(folder)


def test_the_http_secret_before_verifies_on_and_can_come_back(stackgen, folder):
    """An upload under way keeps its address."""
    (old,) = parse_secrets(folder.http_secret.read_bytes())
    stackgen("rotate", "http-secret", "mystack")
    new, kept = parse_secrets(folder.http_secret.read_bytes())
    assert (kept.text, kept.counts(now().timestamp())) == (old.text, True)
    assert not kept.counts(now().timestamp() + 8 * 86400)
    stackgen("rotate", "http-secret", "mystack", "--undo")
    assert [s.text for s in parse_secrets(folder.http_secret.read_bytes())] == [old.text, new.text]
    stackgen("rotate", "http-secret", "mystack", "--keep-old", "0s")
    assert len(parse_secrets(folder.http_secret.read_bytes())) == 1


@pytest.mark.parametrize("content", ["", "\n", "#previous 2099-01-01T00:00:00Z old\n"])
def test_no_way_leads_back_from_a_damaged_http_secret_but_one_leads_on(stackgen, folder, content):
    """The file is named, with what is wrong and what to type."""
    folder.http_secret.write_text(content)
    told = stackgen("rotate", "http-secret", "mystack", "--undo", code=1).stderr
    assert "mystack/secrets/http_secret: holds no secret" in told
    assert "stackgen rotate http-secret" in told
    stackgen("rotate", "http-secret", "mystack")
    assert parse_secrets(folder.http_secret.read_bytes())


def test_status_tells_ages_and_what_is_due(folder):
    """A year for secrets, two thirds of a certificate's life."""
    settings = load_settings(folder)
    fresh = {row.what: row for row in load_status(folder, settings, now=now())}
    assert set(fresh) == {"password admin", "http-secret", "tls", "ca"}
    assert not any(row.due for row in fresh.values())
    later = {row.what: row for row in load_status(folder, settings, now=now() + dt.timedelta(days=366))}
    assert {what for what, row in later.items() if row.due} == {"password admin", "http-secret", "tls"}
    assert later["http-secret"].days == 366
    assert "stackgen rotate password --user admin" in later["password admin"].remark


def test_what_status_says_to_type_can_be_pasted(stackgen, folder):
    """Names of users may hold what a shell would obey."""
    stackgen("users", "add", "o'brien; reboot", "mystack", "--generate")
    later = load_status(folder, load_settings(folder), now=now() + dt.timedelta(days=366))
    (line,) = [row.remark for row in later if row.what == "password o'brien; reboot"]
    words = ["stackgen", "rotate", "password", "--user", "o'brien; reboot", str(folder.root)]
    assert shlex.split(line.removeprefix("due: ")) == words


def test_grafanas_password_before_its_first_start_is_a_file(stackgen, folder, monkeypatch):
    """No engine, no volume, no copy: a new file, which its group can read; the one before is not kept."""
    monkeypatch.setenv("PATH", str(folder.root / "no-docker-here"))
    place = folder.root / "grafana-secrets/admin_password"
    before = place.read_text()
    told = stackgen("rotate", "grafana", "mystack")
    assert place.read_text() != before
    assert place.read_text().strip() not in told.stdout + told.stderr
    assert "grafana-secrets/admin_password" in told.stdout
    assert place.stat().st_mode & 0o777 == 0o640
    assert "is not kept" in stackgen("rotate", "grafana", "mystack", "--undo", code=1).stderr


def test_all_secrets_are_those_of_the_profiles_that_are_on(stackgen, folder, monkeypatch):
    """With observability, Grafana's last; and its age is told."""
    monkeypatch.setenv("PATH", str(folder.root / "no-docker-here"))
    assert "grafana" not in stackgen("rotate", "all", "mystack", "--dry-run").stdout
    assert "grafana" not in stackgen("rotate", "--status", "mystack").stdout
    stackgen("enable", "observability", "mystack")
    plan = stackgen("rotate", "all", "mystack", "--dry-run").stdout
    assert plan.splitlines()[-2:] == [
        "  change grafana-secrets/admin_password",
        "  have grafana take it up, or the old one comes back",
    ]
    assert "grafana" in stackgen("rotate", "--status", "mystack").stdout


def test_what_grafana_refuses_is_taken_back(folder, monkeypatch):
    """The file tells what Grafana believes."""
    settings = load_settings(folder)
    place = folder.root / "grafana-secrets/admin_password"
    before = place.read_bytes()

    def refuse(folder, settings, secret):
        raise journal.ReloadError("new password is too short", service=secret.service)

    monkeypatch.setenv("PATH", str(folder.root / "no-docker-here"))
    monkeypatch.setattr(journal, "hand_over", refuse)
    plan = plan_rotation(folder, settings, "grafana", Request("admin", b""))
    with pytest.raises(StackgenError, match="too short; the old one is back") as caught:
        journal.carry_out(folder, settings, plan)
    assert "logs --tail 20 grafana" in caught.value.hint
    assert place.read_bytes() == before
    assert not folder.rotation_journal.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "say what to rotate"),
        (["tls", "mystack", "--keep-old", "1h"], 2, "--keep-old goes with"),
        (["http-secret", "mystack", "--user", "admin"], 2, "go with password"),
        (["ca", "mystack", "--cert", "x", "--key", "y"], 2, "go with tls"),
        ([], 2, "say what to rotate"),
        (["tls", "mystack", "more"], 2, "too many"),
        (["tls", "mystack", "--cert", "x"], 2, "go together"),
        (["password", "mystack", "--keep-old", "3000000d"], 2, "too long"),
        (["all", "mystack", "--undo"], 1, "one secret"),
        (["password", "mystack", "--undo", "--keep-old", "1h"], 2, "brings back"),
        (["password", "mystack", "--undo", "--generate"], 2, "brings back"),
        (["tls", "mystack", "--undo", "--cert", "x", "--key", "y"], 2, "brings back"),
        (["mystack", "--status", "--undo"], 2, "--status changes nothing"),
        (["mystack", "--status", "--keep-old", "1h"], 2, "--status changes nothing"),
        (["tls", "mystack", "--json"], 2, "--json goes with --status"),
        (["password", "mystack", "--user", "nobody"], 1, "no user 'nobody'"),
        (["tls", "absent"], 1, "there is no stack"),
    ],
)
def test_a_mistake_is_explained(stackgen, folder, arguments, code, words):
    """And changes nothing."""
    before = chain(folder)[0]
    assert words in stackgen("rotate", *arguments, code=code).stderr
    assert chain(folder)[0] == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives the stack to another user")
def test_whoever_made_a_stack_goes_on_without_root_after_one_command_of_roots(stackgen, folder):
    """`sudo stackgen rotate` or `render` leaves nothing that its owner can't read, replace or remove."""
    shutil.rmtree(folder.root / "prometheus")
    (folder.root / ".stackgen/mutex").unlink()
    folder.certificate_seen.unlink()
    for path in (folder.root, *folder.root.rglob("*")):
        os.chown(path, 4321, -1, follow_symlinks=False)
    with folder.env.open("a") as file:
        file.write("LOG_LEVEL=debug\n")
    for arguments in (
        ("enable", "observability", "mystack"),
        ("render", "mystack"),
        ("users", "add", "bob", "mystack", "--generate"),
        ("rotate", "all", "mystack", "--keep-old", "1h"),
        ("rotate", "tls", "mystack"),
        ("access", "reset", "mystack", "--yes"),
    ):
        stackgen(*arguments)
    places = [path for path in folder.root.rglob("*") if not path.is_symlink()]
    assert [path for path in places if path.stat().st_uid != 4321] == []


def test_no_command_leaves_a_secret_to_others_whatever_the_umask(stackgen, folder):
    """Neither to read nor to replace: files, former generations, backups, journals, logs."""
    before = os.umask(0)
    try:
        for arguments in (
            ("users", "add", "bob", "mystack", "--generate"),
            ("users", "passwd", "bob", "mystack", "--generate", "--keep-old", "1h"),
            ("users", "remove", "bob", "mystack"),
            ("access", "reset", "mystack", "--yes"),
            ("rotate", "all", "mystack", "--keep-old", "1h"),
            ("rotate", "tls", "mystack"),
            ("rotate", "tls", "mystack", "--undo"),
            ("render", "mystack"),
        ):
            os.umask(0)
            stackgen(*arguments)
            assert_modes(folder)
        assert not folder.root.stat().st_mode & 0o022
    finally:
        os.umask(before)


def test_a_plan_shows_no_secret_to_whoever_prints_it(folder):
    """A report of a bug, a debugger."""
    settings = load_settings(folder)
    key = (folder.root / "certs/privkey.pem").read_text().splitlines()[1]
    for kind, plan in plans(folder, settings).items():
        for secret in ("new password", key, folder.http_secret.read_text().strip(), "BEGIN"):
            assert secret not in repr(plan), kind
    assert "new password" not in repr(Request("admin", b"new password"))
