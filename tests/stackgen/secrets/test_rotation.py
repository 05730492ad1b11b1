"""`stackgen rotate`: every secret in turn, both generations, the way back, and a crash at any step."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess

import bcrypt
import pytest
from cryptography import x509

from registry_app import issuing
from registry_app.auth.htpasswd import parse_htpasswd
from registry_app.auth.http_secret import parse_secrets
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.rotation import journal
from stackgen.rotation.certificates import plan_authority, plan_leaf
from stackgen.rotation.generations import serving_pair
from stackgen.rotation.planning import Request, plan_rotation, plan_way_back
from stackgen.rotation.status import load_status

HOST = "registry.example.com"


def now():
    """The time, as plans take it."""
    return dt.datetime.now(dt.UTC)


def chain(folder):
    """The certificates that are served."""
    return x509.load_pem_x509_certificates((folder.root / "certs/fullchain.pem").read_bytes())


def assert_works(folder):
    """What a restart of nginx and the registry needs, whatever happened before."""
    served = chain(folder)
    assert issuing.is_pair(served[0], (folder.root / "certs/privkey.pem").read_bytes())
    assert issuing.covers(served[0], HOST)
    assert (folder.root / "certs/privkey.pem").stat().st_mode & 0o777 == 0o640
    authority = x509.load_pem_x509_certificate((folder.authority / "ca.crt").read_bytes())
    assert issuing.is_pair(authority, (folder.authority / "ca.key").read_bytes())
    assert parse_secrets(folder.http_secret.read_bytes())
    users = parse_htpasswd(folder.htpasswd.read_bytes())
    if "admin" not in users.hashes:
        return
    password = folder.admin_password.read_bytes().strip()
    valid = users.valid("admin", now().timestamp())
    assert any(bcrypt.checkpw(password, stored.text) for stored in valid)


def assert_modes(folder):
    """Nothing that holds a secret can be read by everyone, drafts and copies included, and nothing be replaced."""
    for name in ("secrets", "certs", "ca", "grafana-secrets", ".stackgen"):
        for path in (folder.root / name).rglob("*"):
            if path.is_symlink():
                continue
            public = path.is_dir() or path.name.strip(".").startswith(("ca.crt", "fullchain"))
            public |= name == ".stackgen" and not path.name.strip(".").startswith(("rotation", "previous", "audit"))
            assert not path.stat().st_mode & (0o022 if public else 0o027), path


def verifies(folder, trusted: bytes) -> bool:
    """Whether OpenSSL, which trusts this authority alone, believes the chain."""
    leaf = folder.root / "leaf.pem"
    leaf.write_bytes((folder.root / "certs/fullchain.pem").read_bytes())
    (folder.root / "trusted.pem").write_bytes(trusted)
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", "trusted.pem", "-untrusted", "leaf.pem", "-verify_hostname", HOST, "leaf.pem"],
        cwd=folder.root,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_a_new_certificate_has_a_new_key_and_the_way_back_the_old_one(stackgen, folder):
    """Both change together, by one link."""
    before = chain(folder)[0]
    assert "change certs/live" in stackgen("rotate", "tls", "mystack", "--dry-run").stdout
    assert chain(folder)[0] == before
    stackgen("rotate", "tls", "mystack")
    after = chain(folder)[0]
    assert after.public_key() != before.public_key()
    assert_works(folder)
    stackgen("rotate", "tls", "mystack", "--undo")
    assert chain(folder)[0] == before
    assert_works(folder)
    assert "no rotation of tls to undo" in stackgen("rotate", "tls", "mystack", "--undo", code=1).stderr


def test_no_way_leads_back_to_a_certificate_that_clients_would_refuse(stackgen, folder):
    """Of the authority before, for another host, damaged: the person is told what to do instead, and nothing changes."""
    first = chain(folder)[0]
    stackgen("rotate", "ca", "mystack")
    told = stackgen("rotate", "tls", "mystack", "--undo", code=1).stderr
    assert "is of the authority before" in told
    assert "stackgen rotate --undo ca mystack" in told
    assert verifies(folder, (folder.root / "certs/ca.crt").read_bytes())
    stackgen("rotate", "ca", "mystack", "--undo")
    assert chain(folder)[0] == first
    stackgen("rotate", "tls", "mystack")
    folder.env.write_text(folder.env.read_text().replace(HOST, "other.example.com"))
    stackgen("render", "mystack")
    assert "not for other.example.com" in stackgen("rotate", "tls", "mystack", "--undo", code=1).stderr
    assert issuing.covers(chain(folder)[0], "other.example.com")


def test_an_authority_comes_back_while_its_own_certificate_does(stackgen, folder):
    """One rotation of the certificate later that is undone first; two later, the hint is one that works."""
    old = chain(folder)[0]
    stackgen("rotate", "ca", "mystack")
    stackgen("rotate", "tls", "mystack")
    assert "undo that first: stackgen rotate --undo tls" in stackgen("rotate", "ca", "mystack", "--undo", code=1).stderr
    stackgen("rotate", "tls", "mystack")
    assert "instead: stackgen rotate ca mystack" in stackgen("rotate", "ca", "mystack", "--undo", code=1).stderr
    stackgen("rotate", "tls", "mystack", "--undo")
    assert "instead: stackgen rotate ca mystack" in stackgen("rotate", "ca", "mystack", "--undo", code=1).stderr
    stackgen("rotate", "ca", "mystack")
    stackgen("rotate", "ca", "mystack", "--undo")
    assert verifies(folder, (folder.root / "certs/ca.crt").read_bytes())
    assert chain(folder)[0] != old


def test_a_third_authority_ends_the_time_of_the_first_and_that_is_said(stackgen, folder):
    """Before it happens; a way back, or none before it, is no reason."""
    first = (folder.root / "certs/ca.crt").read_bytes()
    assert "with a third" not in stackgen("rotate", "ca", "mystack").stderr
    second = (folder.root / "certs/ca.crt").read_bytes()
    for arguments in (("ca", "mystack", "--dry-run"), ("ca", "mystack")):
        assert verifies(folder, first)
        assert "with a third that ends" in stackgen("rotate", *arguments).stderr
    assert [verifies(folder, one) for one in (first, second)] == [False, True]
    assert "with a third" not in stackgen("rotate", "ca", "mystack", "--undo").stderr


def test_keys_that_no_way_leads_back_to_are_removed(stackgen, folder):
    """An old key is a secret like any other."""
    for _ in range(3):
        stackgen("rotate", "tls", "mystack")
    assert len(list((folder.root / "certs").glob("*generation-*"))) == 2


def test_clients_that_trust_the_old_authority_or_the_new_one_believe_the_certificate(stackgen, folder):
    """The old one vouches for the new one; the next certificate keeps its word."""
    old = (folder.authority / "ca.crt").read_bytes()
    stackgen("rotate", "ca", "mystack")
    new = (folder.root / "certs/ca.crt").read_bytes()
    assert new == (folder.authority / "ca.crt").read_bytes() != old
    assert verifies(folder, old)
    assert verifies(folder, new)
    stackgen("rotate", "tls", "mystack")
    assert verifies(folder, old)
    assert verifies(folder, new)
    stackgen("rotate", "tls", "mystack", "--undo")
    stackgen("rotate", "ca", "mystack", "--undo")
    assert verifies(folder, old)
    assert not verifies(folder, new)
    stackgen("rotate", "ca", "mystack", "--keep-old", "0s")
    assert not verifies(folder, old)
    assert_works(folder)


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


def test_a_certificate_of_ones_own_is_checked_before_anything_changes(stackgen, folder):
    """Key, host and date, as at init; TLS=local refuses it."""
    authority = issuing.make_authority(now=now())
    good = issuing.issue(authority, [HOST], now=now())
    other = issuing.issue(authority, ["other.example.com"], now=now())
    for name, pair in (("good", good), ("other", other)):
        (folder.root / f"{name}.pem").write_bytes(pair.certificate_pem)
        (folder.root / f"{name}.key").write_bytes(pair.key_pem)

    def rotate(certificate, key, code):
        return stackgen(
            "rotate", "tls", "mystack", "--cert", f"mystack/{certificate}.pem", "--key", f"mystack/{key}.key", code=code
        )

    assert "TLS=local" in rotate("good", "good", 1).stderr
    folder.env.write_text(folder.env.read_text().replace("TLS=local", "TLS=own"))
    before = chain(folder)[0]
    assert "is not the key of" in rotate("good", "other", 1).stderr
    assert "not for registry.example.com" in rotate("other", "other", 1).stderr
    assert "absent.pem is missing" in rotate("absent", "good", 1).stderr
    assert chain(folder)[0] == before
    rotate("good", "good", 0)
    assert chain(folder)[0] == good.certificate
    assert "TLS=own" in stackgen("rotate", "ca", "mystack", code=1).stderr


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
        (["password", "mystack", "--user", "nobody"], 1, "no user 'nobody'"),
        (["tls", "absent"], 1, "there is no stack"),
    ],
)
def test_a_mistake_is_explained(stackgen, folder, arguments, code, words):
    """And changes nothing."""
    before = chain(folder)[0]
    assert words in stackgen("rotate", *arguments, code=code).stderr
    assert chain(folder)[0] == before


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


class PowerCut(BaseException):
    """Ends a rotation between two steps."""


def plans(folder, settings):
    """Every kind of rotation."""
    request = Request("admin", b"new password", keep_old=3600)
    return {kind: plan_rotation(folder, settings, kind, request) for kind in ("password", "http-secret", "tls", "ca")}


def fresh_plan(folder, settings, kind):
    """A rotation, or the way back from one that has just been carried out; `at once` is without a kept old one."""
    what, _, how = kind.partition(", ")
    if how in {"at once", "a minute"}:
        keep_old = 60 if how == "a minute" else 0
        return plan_rotation(folder, settings, what, Request("admin", b"new password", keep_old=keep_old))
    if how == "back":
        journal.carry_out(folder, settings, plans(folder, settings)[what])
        return plan_way_back(folder, settings, what, Request("admin", b""))
    return plans(folder, settings)[what]


@pytest.mark.parametrize(
    "kind",
    [
        "password",
        "http-secret",
        "tls",
        "ca",
        "password, at once",
        "password, a minute",
        "password, back",
        "http-secret, back",
    ],
)
def test_a_rotation_that_stops_between_any_two_steps_leaves_a_stack_that_works_and_is_finished_later(
    folder, tmp_path, kind
):
    """Old or new, never half; and the next command brings the new one."""
    settings = load_settings(folder)
    for stop in range(len(fresh_plan(folder, settings, kind).steps) + 1):
        rotation = fresh_plan(folder, settings, kind)
        done = []

        class Step:
            def __init__(self, step, done=done, stop=stop):
                self.step, self.done, self.stop = step, done, stop
                self.to_json = step.to_json

            def carry_out(self, root):
                if len(self.done) == self.stop:
                    raise PowerCut
                self.step.carry_out(root)
                self.done.append(self.step)

        cut = journal.Rotation(
            rotation.title, tuple(map(Step, rotation.steps)), rotation.back, records=rotation.records
        )
        try:
            journal.carry_out(folder, settings, cut)
        except PowerCut:
            assert_works(folder)
            assert journal.resume(folder, settings).title == rotation.title
        assert_works(folder)
        assert journal.resume(folder, settings) is None


def test_users_who_came_between_a_crash_and_its_recovery_stay(folder, stackgen):
    """A rotation changes its own user alone."""
    settings = load_settings(folder)
    rotation = plans(folder, settings)["password"]
    folder.rotation_journal.write_text(json.dumps(journal._to_json(rotation)))
    assert "interrupted" in stackgen("rotate", "--status", "mystack").stderr
    with folder.htpasswd.open("a") as file:
        file.write("eve:" + bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode() + "\n")
    assert "finished what was interrupted" in stackgen("rotate", "http-secret", "mystack").stdout
    assert set(parse_htpasswd(folder.htpasswd.read_bytes()).hashes) == {"admin", "eve"}
    assert folder.admin_password.read_text() == "new password\n"


def test_a_refused_certificate_brings_the_old_one_back(folder, monkeypatch):
    """Nginx said no, or goes on serving the old one: the files agree with what is served."""
    settings = load_settings(folder)

    def refuse(folder, settings):
        raise journal.ReloadError("nginx: [emerg] no")

    for plan in (plan_leaf(folder, settings, now=now()), plan_authority(folder, settings, now=now(), keep_old=60)):
        before, authority = chain(folder)[0], (folder.authority / "ca.crt").read_bytes()
        monkeypatch.setattr(journal, "reload_certificate", refuse)
        with pytest.raises(StackgenError, match="the old one is back"):
            journal.carry_out(folder, settings, plan)
        assert chain(folder)[0] == before
        assert (folder.authority / "ca.crt").read_bytes() == authority == (folder.root / "certs/ca.crt").read_bytes()
        assert not folder.rotation_journal.exists()


def test_render_for_another_host_changes_key_and_certificate_together(stackgen, folder):
    """Also after a rotation, when both are links."""
    stackgen("rotate", "tls", "mystack")
    folder.env.write_text(folder.env.read_text().replace(HOST, "other.example.com"))
    stackgen("render", "mystack")
    assert issuing.covers(chain(folder)[0], "other.example.com")
    assert issuing.is_pair(chain(folder)[0], (folder.root / "certs/privkey.pem").read_bytes())
    assert serving_pair(folder, load_settings(folder)).in_force(folder.root) is not None
