"""Compose and nginx themselves read what is rendered for every two options in every combination."""

from __future__ import annotations

import json
import subprocess

import pytest

from stackgen.certificates import ensure_certificates
from stackgen.env_file import read_settings
from stackgen.folder import StackFolder
from tests.stackgen.combinations import all_pairs, env_of, write_plan_to

pytestmark = pytest.mark.live
PAIRS = all_pairs()
# nginx wants its files where compose.yaml mounts them: one container looks at one combination after the other.
CHECK_ALL = """
for stack in /stacks/*/; do
    [ -d "$stack/nginx" ] || continue
    ln -sfn "$stack/nginx" /etc/nginx/stack && ln -sfn /stacks/certs /etc/nginx/certs
    nginx -t -q -c /etc/nginx/stack/nginx.conf || { echo "in $stack"; exit 1; }
    checked=$((checked + 1))
done
echo "$checked checked"
"""


@pytest.fixture(scope="module")
def stacks(engine, tmp_path_factory):
    """A folder for each combination, and one certificate for all of them."""
    top = tmp_path_factory.mktemp("stacks")
    for number, values in enumerate(PAIRS):
        write_plan_to(top / f"s{number}", values)
    settings = read_settings("SERVICE_DOMAIN=registry.example.com\n").settings
    assert settings is not None
    ensure_certificates(StackFolder(top), settings)
    return top


def test_compose_reads_every_combination_without_a_warning(stacks):
    """And means what `.env` says: names, ports, folders with odd characters."""
    for number, values in enumerate(PAIRS):
        folder = stacks / f"s{number}"
        command = ["docker", "compose", "--profile", "*", "config", "--format", "json"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), values
        config = json.loads(done.stdout)
        settings = read_settings(env_of(values)).settings
        assert settings is not None
        front = config["services"]["registry" if settings.proxy == "none" else "nginx"]
        assert front["ports"][0]["published"] == str(settings.https_port)
        assert front["ports"][0].get("host_ip") == settings.bind_address
        sources = {mount["source"].replace("$$", "$") for mount in front["volumes"]}
        for place in (settings.certs_dir, settings.storage_dir):
            if place:
                assert str((folder / place).resolve()) in sources, values


def test_nginx_reads_every_combination_without_a_warning(stacks):
    """`nginx -t` of the very image that the stack runs, on all of them."""
    run = ["docker", "run", "--rm", "--network", "none", "-v", f"{stacks}:/stacks:ro", "--entrypoint", "sh"]
    done = subprocess.run([*run, "nginx:1.30", "-c", CHECK_ALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == f"{sum(values['PROXY'] == 'nginx' for values in PAIRS)} checked"
    assert [line for line in done.stderr.splitlines() if "[debug]" not in line] == []
