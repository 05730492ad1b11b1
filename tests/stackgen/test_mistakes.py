"""No mistake of a user's ends in a traceback or leaves half a stack: each is named, with the way out."""

import contextlib
import datetime as dt
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from registry_app import issuing
from stackgen.folder import StackFolder
from tests.serving import free_port


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--domain", "https://x.example:8443"], "starts with a scheme: write x.example, and HTTPS_PORT=8443"),
        (["--domain", "::"], "no client can dial it"),
        (["--domain", "a b"], "no host name"),
        (["--domain", "registry.0x7f"], "ends with a number"),
        (["--domain", "a.b.c.1"], "ends with a number"),
        (["--project-name", "Team Registry"], "--project-name 'Team Registry' is no name"),
        (["--set", "HTTPS_PORT=0", "--set", "PROXY=apache"], "--set PROXY 'apache'"),
        (["--set", "TLS="], "--set TLS is empty"),
        (["--storage-dir", "data"], "./data"),
        (["--storage-dir", "/proc/nowhere"], "STORAGE_DIR"),
        (["--tls", "own"], "needs"),
        (["--admin-user", "a:b"], "--admin-user 'a:b' is no user name"),
    ],
)
def test_init_refuses_a_bad_answer_and_leaves_nothing(stackgen, tmp_path, arguments, words):
    """Neither the folder nor the one above it nor a draft of it stays."""
    done = stackgen("init", "new/stack", "--yes", *arguments, code=1)
    assert words in done.stderr
    assert "hint:" in done.stderr
    assert "line " not in done.stderr  # of a file that nobody has seen
    assert "being-made" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["{root}", "{root}/..", "{root}/ca", "{root}/secrets/x", "{root}/certs", "./link"])
def test_images_never_lie_where_the_stack_keeps_its_secrets(stackgen, folder, where):
    """However the path is written: the registry may write to all that lies in it."""
    (folder.root / "link").symlink_to("ca")
    with folder.env.open("a") as file:
        file.write(f"STORAGE_DIR={where.format(root=folder.root)}\n")
    for command in ("validate", "plan", "render"):
        told = stackgen(command, "mystack", code=1).stderr
        assert "STORAGE_DIR" in told
        assert "a folder of its own" in told


def test_a_new_stack_never_gets_its_own_folder_for_images(stackgen, tmp_path):
    """Though that folder is not there yet."""
    told = stackgen("init", "s", "--yes", "--storage-dir", tmp_path / "s/ca", code=1).stderr
    assert "--storage-dir" in told
    assert "another use" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")
def test_what_init_says_to_type_names_the_folder_that_was_asked_for():
    """Not the draft of it, which is gone by then."""
    with tempfile.TemporaryDirectory() as theirs:  # pytest closes its own folders to others as it starts
        os.chown(theirs, 12345, 12345)
        other = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", sys.executable, "-m", "stackgen"]
        options = ["--yes", "--storage-dir", "./data", "--set", "REGISTRY_USER=4321:4321"]
        environ = os.environ | {"HOME": "/nonexistent"}
        command = [*other, "init", f"{theirs}/s", *options]
        done = subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"{theirs}/s/data" in done.stderr
        assert "being-made" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")
def test_a_umask_that_takes_everything_stops_nothing():
    """Else a draft without any right would stay, which its owner could not even look into."""
    with tempfile.TemporaryDirectory() as theirs:  # pytest closes its own folders to others as it starts
        os.chown(theirs, 12345, 12345)
        other = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", sys.executable, "-m", "stackgen"]
        before = os.umask(0o777)
        try:
            done = subprocess.run([*other, "init", "s", "--yes"], cwd=theirs, capture_output=True, check=False)
        finally:
            os.umask(before)
        assert done.returncode == 0, done.stderr
        assert [path.name for path in Path(theirs).iterdir()] == ["s"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")
def test_a_folder_that_may_not_be_looked_into_is_not_said_to_be_empty():
    """Nor is a new stack to be made there."""
    with tempfile.TemporaryDirectory() as place:  # for its owner alone
        other = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", sys.executable, "-m", "stackgen"]
        environ = os.environ | {"HOME": "/nonexistent"}
        done = subprocess.run([*other, "status", place], env=environ, capture_output=True, text=True, check=False)
        assert f"{place}/.env" in done.stderr
        assert "permission denied" in done.stderr.lower()
        assert "no stack" not in done.stderr
        assert done.returncode == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")
def test_a_folder_that_root_made_stops_a_render_before_it_begins():
    """As after a `sudo stackgen render`: half a stack would need root to be finished."""
    with tempfile.TemporaryDirectory() as theirs:  # pytest closes its own folders to others as it starts
        os.chown(theirs, 12345, 12345)
        other = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", sys.executable, "-m", "stackgen"]

        def run(*words):
            environ = os.environ | {"HOME": "/nonexistent"}
            return subprocess.run(
                [*other, *words], env=environ, cwd=theirs, capture_output=True, text=True, check=False
            )

        assert run("init", "s", "--yes").returncode == 0
        stack = Path(theirs, "s")
        os.chown(stack / "nginx", 0, 0)
        (stack / ".env").write_text((stack / ".env").read_text() + "LOG_LEVEL=debug\n")
        before = {path: path.read_bytes() for path in stack.rglob("*") if path.is_file()}
        refused = run("render", "s")
        (stack / ".stackgen/audit.log").unlink()  # that it was tried
        assert refused.returncode == 1
        assert "s/nginx belongs to uid 0, and you may not change it: nothing was written" in refused.stderr
        assert "sudo chown 12345 s/nginx" in refused.stderr
        assert {path: path.read_bytes() for path in stack.rglob("*") if path.is_file()} == before
        os.chown(stack / "nginx", 12345, 12345)
        assert run("render", "s").returncode == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"steps": 5}', '{"steps": [{"to": "x"}]}'])
def test_a_journal_that_can_not_be_understood_is_told_with_the_way_out(stackgen, folder, text):
    """It is written whole; whoever finds another one has lost a disk's block, or edited it."""
    folder.journal.write_text(text)
    for command in ("plan", "render"):
        told = stackgen(command, folder.root, code=1).stderr
        assert "journal.json can't be read" in told
        assert f"rm {folder.journal}" in told
    folder.journal.unlink()
    stackgen("render", folder.root)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["init"], "Missing argument 'DIR'"),
        (["init", "x", "--domain", "", "--yes"], "--domain is empty"),
        (["init", "x", "--admin-user", "", "--yes"], "--admin-user is empty"),
        (["init", ""], "the name of the folder is empty"),
        (["render", ""], "the name of the folder is empty"),
        (
            ["init", "x", "--set", "HTTPS_PORT=9", "--https-port", "10"],
            "--https-port says '10' and --set HTTPS_PORT says '9'",
        ),
        (["init", "x", "--set", "HSTS=true", "--set", "HSTS=false"], "give one of them"),
        (["init", "x", "--proxy", "none", "--http-port", "80"], "--http-port needs nginx"),
        (["init", "x", "--cert", "a", "--key", "b", "--set", "TLS=local"], "--set TLS says local"),
        (["init", "x", "--set", "HTTPS_PROT=1"], "did you mean HTTPS_PORT"),
        (["init", "x", "--set", "nonsense"], "NAME=VALUE"),
        (["init", "x", "--https-port", "70000"], "70000"),
        (["intit", "x"], "Did you mean 'init'"),
        (["render", "--nonsense"], "No such option"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(stackgen, arguments, words):
    """Exit code 2, and near names."""
    assert words in stackgen(*arguments, code=2).stderr


def test_folders_with_odd_names_get_commands_that_work_and_projects_of_their_own(stackgen, tmp_path):
    """The printed cd is one word for a shell; names that Compose can take nothing from don't share a project."""
    assert "cd 'a b$c'" in stackgen("init", "a b$c", "--yes").stdout
    for name in ("日本", "韓国"):
        stackgen("init", name, "--yes")
    projects = {
        (tmp_path / name / ".env").read_text().split("COMPOSE_PROJECT_NAME=")[1].split()[0] for name in ("日本", "韓国")
    }
    assert len(projects) == 2


def test_a_flag_and_its_setting_mean_the_same(stackgen, tmp_path):
    """A path of a setting starts at the stack's folder, whichever way it was given; the busy port is noticed too."""
    stackgen("init", "a", "--storage-dir", "./images", "--yes")
    stackgen("init", "b", "--set", "STORAGE_DIR=./images", "--yes")
    for name in "ab":
        assert "STORAGE_DIR=./images\n" in (tmp_path / name / ".env").read_text()
        assert (tmp_path / name / "images").is_dir()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = stackgen("init", "c", "--set", f"HTTPS_PORT={port}", "--yes", code=1)
        assert f"port {port} is in use" in done.stderr
        assert "--set HTTPS_PORT=" in done.stderr


def test_a_folder_that_compose_can_not_run_in_is_refused(stackgen, tmp_path):
    """A percent sign in any part of its path that is no escape of a URL."""
    for place in ("100%", "a%b/stack"):
        assert "holds a % that Docker Compose can't read" in stackgen("init", place, "--yes", code=1).stderr
    assert list(tmp_path.iterdir()) == []
    stackgen("init", "a%41", "--yes")


def test_a_folder_of_the_longest_name_is_made(stackgen, tmp_path):
    """Its draft has a shorter one; a longer name is refused as it was typed."""
    stackgen("init", "n" * 255, "--yes")
    assert [path.name for path in tmp_path.iterdir()] == ["n" * 255]
    assert f"{'n' * 256}: File name too long" in stackgen("init", "n" * 256, "--yes", code=1).stderr


def test_a_folder_that_holds_something_else_is_refused(stackgen, tmp_path):
    """Nothing of it is touched."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").write_bytes(b"cat")
    (tmp_path / "photos/compose.yaml").write_text("mine")
    assert "holds something else: cat.jpg, compose.yaml" in stackgen("init", "photos", "--yes", code=1).stderr
    assert sorted(path.name for path in (tmp_path / "photos").iterdir()) == ["cat.jpg", "compose.yaml"]
    (tmp_path / "loop").symlink_to("loop")
    assert "loop is a link to nowhere" in stackgen("init", "loop", "--yes", code=1).stderr
    assert "there is no stack" in stackgen("plan", "loop", code=1).stderr
    (tmp_path / "file").touch()
    assert "is a file" in stackgen("init", "file", "--yes", code=1).stderr


def test_a_stack_is_not_made_twice(stackgen, folder):
    """The second init changes nothing and names render."""
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}
    done = stackgen("init", folder.root, "--domain", "other.example.com", "--yes", code=1)
    assert "stackgen render" in done.stderr
    assert before == {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}


def test_init_takes_settings_that_are_there_already(stackgen, tmp_path):
    """A folder with a .env of the user's becomes the stack that it describes."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/.env").write_text("# mine\nSERVICE_DOMAIN=registry.example.com\nHTTPS_PORT=9443\n")
    assert "put the settings into that file" in stackgen("init", "mine", "--domain", "x.example", code=1).stderr
    done = stackgen("init", "mine")
    assert "https://registry.example.com:9443" in done.stdout
    assert (tmp_path / "mine/.env").read_text().startswith("# mine\n")


def test_a_port_in_use_is_noticed_and_another_one_proposed(stackgen, tmp_path):
    """One that was asked for is refused; a default gives way and is printed everywhere."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        asked = stackgen("init", "a", "--https-port", port, "--yes", code=1)
        assert f"port {port} is in use" in asked.stderr
        assert "--https-port" in asked.stderr
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # a stack that runs here has it, which is what this needs
            held.enter_context(socket.create_server(("127.0.0.1", 8443)))
        done = stackgen("init", "b", "--yes")
        port = int(StackFolder(tmp_path / "b").env.read_text().split("HTTPS_PORT=")[1].split()[0])
        assert port != 8443
        assert "8443 is in use" in done.stderr
        assert f"docker login -u admin localhost:{port}" in done.stdout
        assert f"certs.d/localhost:{port}/" in done.stdout
        assert f"https://localhost:{port}$request_uri" in (tmp_path / "b/nginx/nginx.conf").read_text()


def test_a_stack_beside_another_gets_ports_and_a_project_of_its_own(stackgen, tmp_path):
    """Though neither runs: what was asked for is told or refused, what was not gives way."""
    https, http, other = (str(free_port()) for _ in range(3))
    stackgen("init", "first", "--domain", "registry.invalid", "--https-port", https, "--http-port", http, "--yes")
    ports = ["--https-port", https, "--http-port", other]
    told = stackgen("init", "second", "--domain", "registry.invalid", *ports, "--yes").stderr
    assert f"port {https} is that of the stack in {tmp_path}/first too" in told
    same = ["init", "third", "--domain", "registry.invalid", "--project-name", "first", "--yes"]
    assert f"is that of the stack in {tmp_path}/first" in stackgen(*same, code=1).stderr
    assert not (tmp_path / "third").exists()
    folder = StackFolder(tmp_path / "first")
    folder.env.write_text(folder.env.read_text().replace(f"={https}", "=8443").replace("=first", "=fourth"))
    told = stackgen("init", "fourth", "--yes").stderr
    assert "8443 is" in told
    assert f"the Compose project 'fourth' is that of the stack in {tmp_path}/first" in told
    env = StackFolder(tmp_path / "fourth").env.read_text()
    assert "HTTPS_PORT=8443\n" not in env
    assert "COMPOSE_PROJECT_NAME=fourth-" in env


@pytest.fixture
def own_certificate(openssl, tmp_path):
    """Makes a certificate of the user's own in certs/ of a folder."""

    def make(host="registry.example.com", days=30):
        (tmp_path / "own/certs").mkdir(parents=True, exist_ok=True)
        key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "own/certs/privkey.pem",
        ]
        names = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
        openssl("req", "-x509", *key, *names, "-days", str(days), "-out", "own/certs/fullchain.pem")
        return tmp_path / "own/certs"

    return make


OWN = ["init", "own", "--domain", "registry.example.com", "--tls", "own", "--yes"]


def test_a_certificate_of_one_s_own_is_taken(stackgen, own_certificate):
    """From certs/ of the folder, under either pair of names."""
    certs = own_certificate()
    (certs / "fullchain.pem").rename(certs / "public.crt")
    (certs / "privkey.pem").rename(certs / "private.key")
    assert "Trust the stack's own CA" not in stackgen(*OWN).stdout


def test_a_certificate_that_ends_soon_is_taken_and_told(stackgen, own_certificate, tmp_path):
    """By every command that looks at it, until another one lies there."""
    certs = own_certificate(days=1)
    told = "own/certs/fullchain.pem ends in 2"  # 24 or 23 hours
    assert told in stackgen(*OWN).stderr
    for command in ("plan", "render", "validate", "render"):
        assert told in stackgen(command, "own").stderr, command
    pair = ["--cert", str(certs / "fullchain.pem"), "--key", str(certs / "privkey.pem")]
    named = stackgen("init", "fresh", "--domain", "registry.example.com", "--yes", *pair)
    assert "fresh/certs/fullchain.pem ends in 2" in named.stderr
    own_certificate()
    assert "ends in" not in stackgen("render", "own").stderr


def test_a_certificate_named_on_the_command_line_is_copied_in(stackgen, own_certificate, tmp_path):
    """From anywhere, once, with modes that keep the key from others; the originals stay."""
    certs = own_certificate()
    pair = ["--cert", str(certs / "fullchain.pem"), "--key", str(certs / "privkey.pem")]
    stackgen("init", "fresh", "--domain", "registry.example.com", "--yes", *pair)
    for name in ("fullchain.pem", "privkey.pem"):
        assert (tmp_path / "fresh/certs" / name).read_bytes() == (certs / name).read_bytes()
    assert (tmp_path / "fresh/certs/privkey.pem").stat().st_mode & 0o777 == 0o640
    assert "TLS=own" in (tmp_path / "fresh/.env").read_text()


def test_a_bad_certificate_on_the_command_line_leaves_no_stack(stackgen, own_certificate, tmp_path):
    """Another host, one of two files, a file that is not there: each is named, by the path that was typed."""
    certs = own_certificate(host="other.example.com")
    chain, key = str(certs / "fullchain.pem"), str(certs / "privkey.pem")
    fresh = ["init", "fresh", "--domain", "registry.example.com", "--yes"]
    assert "is for other.example.com" in stackgen(*fresh, "--cert", chain, "--key", key, code=1).stderr
    assert "go together" in stackgen(*fresh, "--cert", chain, code=2).stderr
    assert "nowhere.pem is missing" in stackgen(*fresh, "--cert", chain, "--key", "nowhere.pem", code=1).stderr
    assert not (tmp_path / "fresh").exists()


def test_a_missing_certificate_is_named_by_its_place_in_the_stack(stackgen, tmp_path):
    """Not by a folder that is gone a moment later."""
    (tmp_path / "fresh/certs").mkdir(parents=True)
    told = stackgen("init", "fresh", "--tls", "own", "--yes", code=1).stderr
    assert "fresh/certs/fullchain.pem is missing" in told
    assert "being-made" not in told


def test_a_certificate_for_a_new_folder_is_named_on_the_command_line(stackgen, tmp_path):
    """There is no folder yet to put it into."""
    assert "--cert FILE --key FILE" in stackgen("init", "fresh", "--tls", "own", "--yes", code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_for_another_host_is_refused(stackgen, own_certificate):
    """Naming both hosts."""
    own_certificate(host="other.example.com")
    assert "is for other.example.com, not for registry.example.com" in stackgen(*OWN, code=1).stderr


def test_a_certificate_out_of_date_is_refused(stackgen, own_certificate):
    """Naming the dates."""
    certs = own_certificate()
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    pair = issuing.issue(issuing.make_authority(now=past), ["registry.example.com"], now=past)
    (certs / "fullchain.pem").write_bytes(pair.certificate_pem)
    (certs / "privkey.pem").write_bytes(pair.key_pem)
    assert "valid from 2019-12-31 to" in stackgen(*OWN, code=1).stderr


def test_a_key_of_another_certificate_is_refused(stackgen, own_certificate):
    """Before nginx would fail to start."""
    certs = own_certificate()
    first = (certs / "fullchain.pem").read_bytes()
    own_certificate()
    (certs / "fullchain.pem").write_bytes(first)
    assert "is not the key of" in stackgen(*OWN, code=1).stderr


def test_a_key_that_can_t_be_read_is_refused(stackgen, own_certificate):
    """A folder in its place, or no PEM at all."""
    certs = own_certificate()
    (certs / "privkey.pem").write_text("not a key")
    assert "privkey.pem holds no PEM key" in stackgen(*OWN, code=1).stderr
    (certs / "privkey.pem").unlink()
    (certs / "privkey.pem").mkdir()
    assert "can't be read" in stackgen(*OWN, code=1).stderr


def test_damaged_files_of_a_stack_are_named(stackgen, folder):
    """Settings that are no text, a lock file that is none, pins that are none, a folder where a file must be."""
    good = folder.env.read_bytes()
    folder.env.write_bytes(b"A=\xff\n")
    assert "not UTF-8" in stackgen("render", folder.root, code=1).stderr
    folder.env.write_bytes(good)
    lock = folder.lock.read_text()
    folder.lock.write_text(lock[:100])
    assert "lock.json can't be read" in stackgen("plan", folder.root, code=1).stderr
    folder.lock.write_text(lock)
    folder.images_lock.write_text("[]")
    assert "stackgen pin" in stackgen("plan", folder.root, code=1).stderr
    folder.images_lock.unlink()
    (folder.root / "nginx/nginx.conf").unlink()
    (folder.root / "nginx/nginx.conf").mkdir()
    assert "must be a file" in stackgen("render", folder.root, code=1).stderr


def test_what_can_not_be_printed_is_done_all_the_same(tmp_path):
    """The stack is whole; one line says so, and how to see the rest. A reader who goes away is no error of ours."""

    def run(*arguments, output):
        command = [sys.executable, "-m", "stackgen", *arguments]
        return subprocess.run(command, cwd=tmp_path, stdout=output, stderr=subprocess.PIPE, text=True, check=False)

    with Path("/dev/full").open("w") as full:
        made, helped = run("init", "s", output=full), run("--help", output=full)
    assert made.returncode == helped.returncode == 1
    assert "error: the stack in s is made, but the output can't be written: No space left on device" in made.stderr
    assert "stackgen next s" in made.stderr
    assert helped.stderr.count("\n") == 2
    assert "docker compose up -d --wait" in run("next", "s", output=subprocess.PIPE).stdout
    reading, writing = os.pipe()
    os.close(reading)
    gone = [run(*words, output=writing) for words in (["plan", "s"], ["--help"])]
    os.close(writing)
    assert [(one.returncode, one.stderr) for one in gone] == [(141, "")] * 2


def test_settings_that_lie_elsewhere_and_are_gone_are_named(stackgen, folder):
    """A link to nowhere, or to itself: the stack is there, so nobody is told to make one."""
    for target in ("/nowhere/env", ".env"):
        folder.env.unlink()
        folder.env.symlink_to(target)
        for command in ("plan", "doctor", "status"):
            told = stackgen(command, folder.root, code=1).stderr
            assert f"mystack/.env is a link to {target}, which can't be followed" in told
            assert "init" not in told


def test_a_profile_is_not_enabled_whose_port_the_stack_has(stackgen, folder):
    """Both would open it on loopback, and `up` would stop half-way; the file stays as it was."""
    with folder.env.open("a") as file:
        file.write("GRAFANA_PORT=9090\n")
    before = folder.env.read_bytes()
    assert (
        "GRAFANA_PORT is 9090, and so is PROMETHEUS_PORT"
        in stackgen("enable", "observability", "mystack", code=1).stderr
    )
    assert folder.env.read_bytes() == before


def test_no_stack_at_all_is_said_plainly(stackgen, tmp_path):
    """For each command that needs one."""
    for command in ("plan", "render", "validate", "profiles", "serve"):
        assert "there is no stack" in stackgen(command, code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_two_inits_at_once_make_one_stack(tmp_path):
    """In a new folder: one makes it and the other says so; in two folders beside each other both do."""

    def init(name):
        command = [sys.executable, "-m", "stackgen", "init", name, "--yes"]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    running = [init("one"), init("one"), init("two")]
    told = [process.communicate(timeout=60)[1] for process in running]
    codes = [process.returncode for process in running]
    assert sorted(codes[:2]) == [0, 1], told
    assert "one is a stack already" in told[codes.index(1)]
    assert codes[2] == 0, told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert all(StackFolder(tmp_path / name).is_stack() for name in ("one", "two"))


def test_two_commands_at_once_do_not_meet(stackgen, folder):
    """The second one is told to wait."""
    import fcntl

    with folder.mutex.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another stackgen command" in stackgen("render", folder.root, code=1).stderr


def test_no_docker_is_noticed_at_the_end_of_init(stackgen, monkeypatch):
    """The stack is made all the same."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "Docker is not installed here" in stackgen("init", "s", "--yes").stderr


def test_a_name_that_does_not_resolve_gets_a_hosts_line(stackgen):
    """For a first try before DNS knows the name."""
    done = stackgen("init", "s", "--domain", "registry.invalid", "--yes")
    assert "127.0.0.1 registry.invalid" in done.stdout


def test_a_bug_leaves_a_report_file_and_no_traceback(tmp_path):
    """Exit code 3 names the file to send."""
    (tmp_path / "sitecustomize.py").write_text("import stackgen.stack\nstackgen.stack.draft = None\n")
    (tmp_path / "s").mkdir()
    (tmp_path / "s/.env").touch()
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "stackgen", "plan", "s"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Traceback" not in done.stdout + done.stderr
    (report,) = tmp_path.glob("stackgen-bug-*.txt")
    assert str(report) in done.stderr
    assert "Traceback" in report.read_text()


def test_a_profile_that_is_unknown_is_named(stackgen, folder):
    """By enable, and by validate when the name is nearly right."""
    assert "there is no profile" in stackgen("enable", "nonsense", folder.root, code=1).stderr


def test_findings_come_as_json_too(stackgen, folder):
    """For editors and scripts."""
    folder.env.write_text("PROXY=apache\n")
    findings = json.loads(stackgen("validate", folder.root, "--json", code=1).stdout)
    (problem,) = findings["problems"]
    assert (problem["line"], problem["name"]) == (1, "PROXY")
