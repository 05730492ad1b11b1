"""init, plan and render on a folder, as people use them."""

import json
import os
import subprocess
import sys

import yaml

from stackgen import dotenv


def add(folder, line):
    """Appends a line to a stack's settings."""
    with folder.env.open("a") as env:
        env.write(line + "\n")


def test_init_makes_a_stack_and_says_what_to_type(stackgen, tmp_path):
    """The last lines of init lead to a first push."""
    done = stackgen("init", "mystack", "--domain", "registry.example.com", "--yes")
    assert "docker compose up -d --wait" in done.stdout
    assert "docker login -u admin registry.example.com" in done.stdout
    assert "/etc/docker/certs.d/registry.example.com" in done.stdout
    assert (tmp_path / "mystack/secrets/admin_password").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["mystack"]


def test_a_second_render_changes_nothing(stackgen, folder):
    """Same settings, same bytes; secrets stay."""
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}
    assert "nothing to change" in stackgen("render", folder.root).stdout
    stackgen("plan", folder.root)
    assert before == {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}


def test_no_container_is_led_to_a_proxy(folder):
    """Compose puts those of Docker's own configuration into every container, health checks and exporters included."""
    services = yaml.safe_load(folder.compose.read_text())["services"]
    proxies = {f"{kind}_proxy" for kind in ("http", "https", "all")}
    for name, service in services.items():
        given = {key.lower(): value for key, value in service["environment"].items() if key.lower() in proxies}
        assert given == dict.fromkeys(proxies, ""), name
        assert len([key for key in service["environment"] if key.lower() in proxies]) == len(proxies) * 2, name


def test_a_changed_setting_is_shown_by_plan_and_written_by_render(stackgen, folder):
    """Exit code 2 tells a script that a render is due."""
    add(folder, "REGISTRY_WORKERS=5")
    assert "+  workers: 5" in stackgen("plan", folder.root, code=2).stdout
    changes = json.loads(stackgen("plan", folder.root, "--json", code=2).stdout)["changes"]
    assert [(change["path"], change["action"]) for change in changes] == [
        ("config/config.yml", "update"),
        ("compose.yaml", "update"),
    ]
    stackgen("render", folder.root)
    assert yaml.safe_load((folder.root / "config/config.yml").read_text())["stackgen"]["workers"] == 5


def test_an_edited_file_is_never_overwritten(stackgen, folder):
    """The user's text stays, the new one lies beside it, once; --overwrite gives the edit up."""
    edited = folder.root / "config/config.yml"
    edited.write_text(edited.read_text() + "# mine\n")
    assert "nothing to change" in stackgen("render", folder.root).stdout
    add(folder, "REGISTRY_WORKERS=5")
    stackgen("render", folder.root)
    assert edited.read_text().endswith("# mine\n")
    beside = edited.with_name("config.yml.new")
    assert "workers: 5" in beside.read_text()
    beside.unlink()
    assert "nothing to change" in stackgen("render", folder.root).stdout
    stackgen("render", folder.root, "--overwrite", "config/config.yml")
    assert "workers: 5" in edited.read_text()


def test_a_file_in_the_new_versions_place_is_not_overwritten_either(stackgen, folder):
    """Be it the user's own, or the new version with the user's edits; nothing at all is written then."""
    edited, beside, config = folder.compose, folder.root / "compose.yaml.new", folder.root / "config/config.yml"

    def choose(number):
        env = dotenv.set_value(folder.env.read_text(), "HTTPS_PORT", str(9000 + number))
        folder.env.write_text(dotenv.set_value(env, "REGISTRY_WORKERS", str(number)))

    def refused():
        before = (beside.read_bytes(), config.read_bytes())
        told = [stackgen(command, folder.root, code=1).stderr for command in ("plan", "render")]
        assert (beside.read_bytes(), config.read_bytes()) == before
        return all(f"rm {beside}" in text for text in told)

    edited.write_text(edited.read_text() + "# mine\n")
    beside.write_text("# notes of mine\n")
    choose(3)
    assert refused()
    beside.unlink()
    stackgen("render", folder.root)
    beside.write_text(beside.read_text() + "# merged half way\n")
    choose(4)
    assert refused()
    beside.rename(folder.root / "merged")
    stackgen("render", folder.root)
    assert "9004" in beside.read_text()
    assert "workers: 4" in config.read_text()


def test_an_edit_that_lacks_something_is_recalled_until_it_is_decided(stackgen, folder):
    """By plan, render, status and doctor; taking the new version or removing it ends that, and so does a merge."""
    edited, beside = folder.compose, folder.root / "compose.yaml.new"
    mine = edited.read_text() + "# mine\n"

    def recalled():
        told = [stackgen(command, "mystack").stderr for command in ("plan", "render")]
        told += [stackgen("status", "mystack").stdout, stackgen("doctor", "mystack", code=1).stdout]
        found = {"compose.yaml.new" in text for text in told}
        assert len(found) == 1, told
        return found.pop()

    def offer():
        stackgen("render", "mystack", "--overwrite", "compose.yaml")
        edited.write_text(mine)
        port = 9443 if "9443" not in folder.env.read_text() else 9444
        folder.env.write_text(dotenv.set_value(folder.env.read_text(), "HTTPS_PORT", str(port)))
        told = stackgen("render", "mystack").stderr
        assert "stackgen render --overwrite compose.yaml mystack" in told
        assert "rm mystack/compose.yaml.new" in told

    folder.htpasswd.chmod(0o644)  # so that doctor always ends with an error, whatever it thinks of this host
    edited.write_text(mine)
    assert not recalled()
    offer()
    assert recalled()
    assert json.loads(stackgen("plan", "mystack", "--json").stdout)["waiting"] == ["mystack/compose.yaml"]
    stackgen("render", "mystack", "--overwrite", "compose.yaml")
    assert not beside.exists()
    assert not recalled()
    offer()
    beside.unlink()
    assert not recalled()
    offer()
    edited.write_bytes(beside.read_bytes())
    stackgen("render", "mystack")
    assert not beside.exists()
    offer()
    beside.write_text("# an edit of the user's\n")
    stackgen("render", "mystack", "--overwrite", "compose.yaml")
    assert beside.read_text() == "# an edit of the user's\n"


def test_a_file_of_the_users_is_never_touched(stackgen, folder):
    """Overrides and nginx additions survive every render."""
    own = {folder.root / "compose.override.yaml": "services: {}\n", folder.root / "nginx/conf.d/mine.conf": "# mine\n"}
    for path, text in own.items():
        path.write_text(text)
    add(folder, "HSTS=true")
    stackgen("render", folder.root)
    assert {path: path.read_text() for path in own} == own


def test_all_errors_of_a_settings_file_come_at_once(stackgen, folder):
    """Line, reason and remedy for each; near misses are named."""
    folder.env.write_text("HTTPS_PORT=99999\nSERVICE_DOMAIN=https://x/y\nHTTPS_PROT=1\nPROXY=apache\nA=$B\n")
    output = stackgen("validate", folder.root, code=1).stderr
    for line, word in enumerate(["HTTPS_PORT", "SERVICE_DOMAIN", "did you mean HTTPS_PORT", "PROXY", "holds a $"], 1):
        assert f"line {line}: " in output
        assert word in output
    assert output.count("->") == 5


def labels(folder):
    """The label of each service that names its configuration."""
    services = yaml.safe_load(folder.compose.read_text())["services"]
    return {name: service["labels"]["stackgen.config"] for name, service in services.items() if "labels" in service}


def test_a_changed_configuration_reaches_its_container_by_the_next_up(stackgen, folder):
    """Compose sees labels, not the content of mounted folders: only the service whose file changed gets another one."""
    before = labels(folder)
    add(folder, "REGISTRY_WORKERS=5")
    stackgen("render", folder.root)
    workers = labels(folder)
    assert {name for name in before if before[name] != workers[name]} == {"registry"}
    add(folder, "HSTS=true")
    stackgen("render", folder.root)
    hsts = labels(folder)
    assert {name for name in before if workers[name] != hsts[name]} == {"nginx"}


def test_profiles_are_switched_in_the_settings_file(stackgen, folder):
    """An unknown profile is refused by name; what is to be typed then can be typed right there."""
    again = f"cd {folder.root} && docker compose"
    assert f"{again} up -d --wait" in stackgen("enable", "observability", folder.root).stdout
    assert f"{again} --profile observability down" in stackgen("disable", "observability", folder.root).stdout
    assert "there is no profile" in stackgen("enable", "nonsense", folder.root, code=1).stderr


def test_a_container_may_have_the_threads_that_it_is_told_to_have(stackgen, folder):
    """Eight processes of 512 threads each do not stop at a bound meant for two."""
    add(folder, "REGISTRY_WORKERS=8\nREGISTRY_THREADS=512")
    stackgen("render", folder.root)
    compose = yaml.safe_load((folder.root / "compose.yaml").read_text())
    assert compose["services"]["registry"]["deploy"]["resources"]["limits"]["pids"] > 8 * 512


def test_a_strict_umask_does_not_lock_the_containers_out(stackgen, tmp_path):
    """Rendered folders are for containers of other users to read; secrets stay closed."""
    before = os.umask(0o077)
    try:
        stackgen("init", "mystack", "--domain", "registry.example.com", "--yes")
    finally:
        os.umask(before)
    for name in ("nginx", "nginx/conf.d", "config", "certs"):
        assert (tmp_path / "mystack" / name).stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "mystack/nginx/nginx.conf").stat().st_mode & 0o777 == 0o644
    for name in ("secrets", "ca"):
        assert (tmp_path / "mystack" / name).stat().st_mode & 0o007 == 0


def test_completion_scripts_are_printed_for_each_shell(stackgen):
    """And complete the names of commands."""
    for shell in ("bash", "zsh", "fish"):
        assert "_STACKGEN_COMPLETE" in stackgen("completion", shell).stdout
    environment = os.environ | {"_STACKGEN_COMPLETE": "bash_complete", "COMP_WORDS": "stackgen ren", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "stackgen"], env=environment, capture_output=True, text=True, check=False
    )
    assert "render" in done.stdout


def test_one_setting_is_explained(stackgen):
    """With its default and what to write; near names are proposed."""
    assert "no scheme" in stackgen("settings", "service_domain").stdout
    assert "SERVICE_DOMAIN" in stackgen("settings", "SERVICE_DOMIAN", code=1).stderr
    assert json.loads(stackgen("settings", "--as", "schema").stdout)["properties"]["HTTPS_PORT"]["maximum"] == 65535


def test_profiles_are_listed_with_and_without_the_word_list(stackgen, folder):
    """And a second folder is too many."""
    shown = stackgen("profiles", "list", folder.root).stdout
    assert shown == stackgen("profiles", folder.root).stdout
    assert shown.startswith("observability")
    assert "too many" in stackgen("profiles", "list", folder.root, folder.root, code=2).stderr
