"""A secret that is gone is seen by every command, which tell one story; what they say to type works."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil

import bcrypt
import pytest

from registry_app.auth.htpasswd import hash_password, parse_htpasswd
from stackgen.doctor.examination import examine

STOPPING = ["secrets/htpasswd", "secrets/access.yaml"]
MENDED = ["secrets/http_secret", "grafana-secrets/admin_password"]


@pytest.fixture(autouse=True)
def no_docker(monkeypatch):
    """None of this is about what runs."""
    monkeypatch.setenv("PATH", "/nonexistent")


def doctor(folder):
    """Message and remedy of each finding about secrets and certificates, by code."""
    found = examine(folder, environ=os.environ)
    return {one.kind.name: (one.place, one.message, one.remedy) for one in found}


def typed(remedy):
    """The words of the last command in a remedy, after `stackgen`."""
    return shlex.split(re.findall(r"stackgen (.*?)(?:;|$)", remedy)[-1])


@pytest.mark.parametrize("name", STOPPING)
def test_users_and_rules_are_never_made_anew_without_being_asked(stackgen, folder, name):
    """Every command names the file, what goes with it, and one command that works when it is typed."""
    stackgen("users", "add", "alice", "mystack", "--generate")
    (folder.root / name).unlink()
    told = f"mystack/{name} is lost"
    way_on = f"stackgen render --anew {name} mystack"
    for command in ("plan", "render", "validate", "serve"):
        done = stackgen(command, "mystack", code=1)
        assert told in done.stderr, command
        assert "nothing to change" not in done.stdout
        assert way_on in done.stderr, command
    assert not (folder.root / name).exists()
    due = json.loads(stackgen("status", "mystack", "--json").stdout)["due"]
    assert any(line["what"] == f"mystack/{name}" and way_on in line["remedy"] for line in due)
    assert doctor(folder)["SECRET_MISSING"][0] == str(folder.root / name)
    made = stackgen("render", "--anew", name, "mystack")
    assert f"made mystack/{name} anew" in made.stderr
    assert stackgen("plan", "mystack").stdout == "nothing to change\n"
    assert "secret-anew" in folder.audit_log.read_text()


def test_commands_about_users_and_rules_say_the_same(stackgen, folder):
    """None of them begins a new file."""
    for name in STOPPING:
        (folder.root / name).unlink()
    words = "--anew secrets/htpasswd --anew secrets/access.yaml"
    for command in (
        ["users", "add", "bob", "--generate"],
        ["users", "list"],
        ["users", "remove", "bob"],
        ["users", "passwd", "bob", "--generate"],
        ["rotate", "password"],
        ["access", "list"],
        ["access", "check", "bob", "pull", "a"],
    ):
        assert words in stackgen(*command, "mystack", code=1).stderr, command
    assert not folder.htpasswd.exists()
    stackgen("render", *words.split(), "mystack")
    assert list(parse_htpasswd(folder.htpasswd.read_bytes()).hashes) == ["admin"]
    assert "1 rules" in stackgen("access", "validate", "mystack").stdout


def test_the_first_user_comes_back_with_the_password_that_the_file_tells(stackgen, folder):
    """Or with a new one, where that file is gone too."""
    password = folder.admin_password.read_text()
    folder.htpasswd.unlink()
    stackgen("render", "--anew", "secrets/htpasswd", "mystack")
    assert folder.admin_password.read_text() == password
    shutil.rmtree(folder.secrets)
    stackgen("render", "--anew", "secrets/htpasswd", "--anew", "secrets/access.yaml", "mystack")
    stored = parse_htpasswd(folder.htpasswd.read_bytes()).hashes["admin"][0].text
    assert folder.admin_password.read_text() != password
    assert bcrypt.checkpw(folder.admin_password.read_bytes().strip(), stored)


@pytest.mark.parametrize("name", MENDED)
def test_a_secret_that_nobody_misses_is_made_anew_and_that_is_said(stackgen, folder, name):
    """By plan before, with exit code 2, and by render when it is done."""
    place = folder.root / name
    before = place.read_bytes()
    place.unlink()
    told = stackgen("plan", "mystack", code=2).stdout
    assert f"render would make mystack/{name} anew, for it is lost: " in told
    assert "nothing to change" not in told
    assert json.loads(stackgen("plan", "mystack", "--json", code=2).stdout)["missing"] == [f"mystack/{name}"]
    assert f"mystack/{name} is lost" in stackgen("validate", "mystack").stderr
    assert doctor(folder)["SECRET_MISSING"][0] == str(place)
    assert f"{name}" in stackgen("status", "mystack").stdout
    assert f"made mystack/{name} anew" in stackgen("render", "mystack").stderr
    assert place.read_bytes() != before
    stackgen("plan", "mystack")


def test_an_emptied_file_is_a_lost_one(stackgen, folder):
    """What a full disk or a careless `>` leaves."""
    for name in (*STOPPING, *MENDED):
        (folder.root / name).write_bytes(b"")
    told = stackgen("plan", "mystack", code=1)
    assert all(f"{name} is empty" in told.stderr for name in STOPPING)
    assert all(f"{name} anew, for it is empty" in told.stdout for name in MENDED)
    stackgen("render", "--anew", STOPPING[0], "--anew", STOPPING[1], "mystack")
    assert all((folder.root / name).stat().st_size for name in (*STOPPING, *MENDED))


def test_only_what_is_lost_is_made_anew(stackgen, folder):
    """A file that is there is not what the flag is for."""
    before = folder.htpasswd.read_bytes()
    assert "not lost: secrets/htpasswd" in stackgen("render", "mystack", "--anew", "secrets/htpasswd", code=1).stderr
    assert folder.htpasswd.read_bytes() == before


def test_an_interrupted_change_of_a_password_begins_no_new_file(stackgen, folder):
    """The next command finds users gone, not one user."""
    step = {"do": "hash", "path": "secrets/htpasswd", "user": "bob", "gid": None, "previous_until": None}
    step["stored"] = hash_password(b"secret")
    journal = {"title": "password of bob", "steps": [], "back": [], "after": [], "records": {}, "reloads": False}
    journal |= {"hands_over": "", "remark": ""}
    folder.rotation_journal.write_text(json.dumps(journal | {"steps": [step]}))
    folder.htpasswd.unlink()
    assert "--anew secrets/htpasswd" in stackgen("rotate", "http-secret", "mystack", code=1).stderr
    assert not folder.htpasswd.exists()


def test_a_first_password_that_is_written_nowhere_is_a_note(stackgen, folder):
    """It still counts; the command that makes another says it once."""
    folder.admin_password.unlink()
    stackgen("plan", "mystack")
    _, _, remedy = doctor(folder)["PASSWORD_UNKNOWN"]
    assert "password: " in stackgen(*typed(remedy)).stdout


def test_a_lost_authority_is_told_and_stops_what_needs_it(stackgen, folder):
    """The certificate serves on; no other one is issued in its name, and no other authority takes its place unasked."""
    served = (folder.root / "certs/fullchain.pem").read_bytes()
    (folder.authority / "ca.key").unlink()
    for command in ("plan", "render", "validate"):
        assert "ca.key is lost: without it the certificate can't be renewed" in stackgen(command, "mystack").stderr
    assert "ca.key" in stackgen("status", "mystack").stdout
    assert not (folder.authority / "ca.key").exists()
    assert (folder.root / "certs/fullchain.pem").read_bytes() == served
    for line in ("rotate tls", "rotate ca"):
        assert "--keep-old 0s ca mystack" in stackgen(*line.split(), "mystack", code=1).stderr
    folder.env.write_text(folder.env.read_text().replace("registry.example.com", "other.example.com"))
    for command in ("plan", "render", "validate"):
        assert "ca.key is lost" in stackgen(command, "mystack", code=1).stderr
    _, _, remedy = doctor(folder)["AUTHORITY_LOST"]
    stackgen(*typed(remedy))
    assert "AUTHORITY_LOST" not in doctor(folder)
    assert (folder.root / "certs/ca.crt").read_bytes() == (folder.authority / "ca.crt").read_bytes()
    stackgen("render", "mystack")
    assert "ca.key" not in stackgen("plan", "mystack").stderr
    stackgen("rotate", "tls", "mystack")


def test_everything_of_the_certificate_lost_at_once_has_one_way_out(stackgen, folder):
    """ca/ and both files of certs/: the copy of the authority's certificate tells that there was one."""
    shutil.rmtree(folder.authority)
    for name in ("fullchain.pem", "privkey.pem"):
        (folder.root / "certs" / name).unlink()
    assert "ca.key is lost" in stackgen("render", "mystack", code=1).stderr
    remedies = {remedy for code, (_, _, remedy) in doctor(folder).items() if code.startswith(("AUTHORITY", "CERTIF"))}
    (remedy,) = remedies
    stackgen(*typed(remedy))
    assert stackgen("plan", "mystack").stdout == "nothing to change\n"


@pytest.mark.parametrize("gone", [["ca/ca.crt"], ["certs/ca.crt"], ["ca/ca.crt", "certs/ca.crt"]])
def test_the_authoritys_certificate_is_put_back_from_any_copy(stackgen, folder, gone):
    """Nothing is issued anew for it."""
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.parent.name in {"ca", "certs"}}
    for name in gone:
        (folder.root / name).unlink()
    told = stackgen("plan", "mystack", code=2).stdout
    assert [f"render would write mystack/{name}, which is missing" for name in gone] == told.splitlines()
    assert "RENDER_PENDING" in doctor(folder)
    stackgen("render", "mystack")
    assert {path: path.read_bytes() for path in before} == before
    assert stackgen("plan", "mystack").stdout == "nothing to change\n"


def test_a_stack_that_issues_its_own_certificates_from_now_on_gets_an_authority(stackgen, folder):
    """TLS=own before: there never was one."""
    shutil.rmtree(folder.authority)
    folder.authority_made.unlink()
    (folder.root / "certs/ca.crt").unlink()
    chain = folder.root / "certs/fullchain.pem"
    chain.write_bytes(chain.read_bytes().partition(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n")
    stackgen("plan", "mystack", code=2)
    stackgen("render", "mystack")
    stackgen("rotate", "tls", "mystack")


def junk(content):
    """A file with these bytes."""
    return lambda place: place.write_bytes(content)


def a_folder(place):
    """What Docker makes where a file to mount is missing."""
    place.unlink()
    (place / "inner").mkdir(parents=True)


UNUSABLE = {
    "users": ("secrets/htpasswd", junk(b"junk\n"), "line 1 is not of the form user:hash"),
    "rules": ("secrets/access.yaml", junk(b"foo:["), "line 1"),
    "secret": ("secrets/http_secret", junk(b"#previous never x\n"), "holds no secret on its first line"),
    "users, a folder": ("secrets/htpasswd", a_folder, "it is a folder"),
    "rules, a folder": ("secrets/access.yaml", a_folder, "it is a folder"),
    "secret, a folder": ("secrets/http_secret", a_folder, "it is a folder"),
    "a profile's, a folder": ("grafana-secrets/admin_password", a_folder, "it is a folder"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_secret_that_nothing_can_read_is_broken_for_every_command(stackgen, folder, case):
    """Each names the reason and one line that works; what was there is kept aside."""
    name, spoil, reason = UNUSABLE[case]
    place = folder.root / name
    spoil(place)
    for command in ("plan", "render", "validate", "serve"):
        done = stackgen(command, "mystack", code=1)
        assert f"mystack/{name} is broken: " in done.stderr, command
        assert reason in done.stderr, command
        assert "Registry at" not in done.stdout
    assert "is broken" in stackgen("render", "--anew", name, "mystack", code=1).stderr
    due = json.loads(stackgen("status", "mystack", "--json").stdout)["due"]
    (line,) = [line["remedy"] for line in due if line["what"] == f"mystack/{name}"]
    assert doctor(folder)["SECRET_MISSING"][0] == str(place)
    aside, way_on = line.rpartition(": ")[2].split(" && ")
    assert aside == f"mv mystack/{name} mystack/{name}.broken"
    place.rename(f"{place}.broken")
    stackgen(*typed(way_on))
    assert stackgen("plan", "mystack").stdout == "nothing to change\n"


def test_one_line_leads_past_all_that_is_broken_or_lost(stackgen, folder):
    """Typed once."""
    folder.htpasswd.write_text("junk")
    folder.access.unlink()
    told = stackgen("validate", "mystack", code=1).stderr
    aside = "mv mystack/secrets/htpasswd mystack/secrets/htpasswd.broken"
    assert f"{aside} && stackgen render --anew secrets/htpasswd --anew secrets/access.yaml mystack" in told


def test_the_first_user_comes_back_with_the_very_password_that_the_file_tells(stackgen, folder):
    """Spaces and bytes that are no text are part of it; one that nobody can have is told with the way on."""
    command = ("render", "--anew", "secrets/htpasswd", "mystack")
    for content, password in ((b"\xff two  \n", b"\xff two  "), (b" typed on Windows\r\n", b" typed on Windows")):
        folder.htpasswd.unlink()
        folder.admin_password.write_bytes(content)
        stackgen(*command)
        (stored,) = parse_htpasswd(folder.htpasswd.read_bytes()).hashes["admin"]
        assert bcrypt.checkpw(password, stored.text)
    for content, reason in ((b"\n", "is empty"), (b"x" * 73, "72 at most"), (b"a\0b", "NUL")):
        folder.htpasswd.unlink(missing_ok=True)
        folder.admin_password.write_bytes(content)
        told = stackgen(*command, code=1).stderr
        assert "mystack/secrets/admin_password tells the first user's password, and" in told
        assert reason in told
        assert "rm mystack/secrets/admin_password" in told
        assert not folder.htpasswd.exists()
    folder.admin_password.unlink()
    stackgen(*command)
    assert folder.htpasswd.exists()
