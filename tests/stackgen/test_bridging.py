"""A render of many files changes the stack in one step: Compose meets a bridge while they are on their way."""

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

import yaml

from stackgen import stack
from stackgen.dotenv import set_value
from stackgen.writing import copy_folders


def change(folder, **settings):
    """Sets these in `.env`, and drafts what a render would do."""
    text = folder.env.read_text()
    for name, value in settings.items():
        text = set_value(text, name, value)
    folder.env.write_text(text)
    return stack.draft(folder)


def sources_of(draft):
    """What the bridge's services mount from the stack's folder."""
    project = yaml.safe_load(draft.bridge.compose.new)
    mounts = [mount for service in project["services"].values() for mount in service.get("volumes", [])]
    return {mount["source"] for mount in mounts if mount["source"].startswith("./")}


def test_a_bridge_holds_what_changes_and_the_rest_stays_in_its_place(folder):
    """Copies of changed folders alone; secrets and certificates are never copied."""
    draft = change(folder, HSTS="true")
    assert draft.bridge.folders == ("nginx",)
    assert {"./.stackgen/bridge/nginx", "./config", "./secrets", "./certs"} <= sources_of(draft)
    assert "./nginx" not in sources_of(draft)


def test_a_folder_of_another_name_is_bridged_too(folder):
    """CONFIGS_DIR is where config.yml goes."""
    assert "./.stackgen/bridge/conf/registry" in sources_of(change(folder, CONFIGS_DIR="./conf/registry"))


def test_one_file_needs_no_bridge(folder):
    """Its rename is the step."""
    assert change(folder, NGINX_MEMORY="1GiB").bridge is None


def test_a_copy_is_the_folder_as_it_will_be(folder):
    """With files of the user's own, and without what goes."""
    (folder.root / "nginx/conf.d/mine.conf").write_text("# mine\n")
    (folder.root / "nginx/conf.d/link.conf").symlink_to("mine.conf")
    draft = change(folder, HSTS="true")
    copy_folders(folder, draft.bridge, draft.changes)
    copy = folder.bridge / "nginx"
    assert "Strict-Transport-Security" in (copy / "nginx.conf").read_text()
    assert "Strict-Transport-Security" not in (folder.root / "nginx/nginx.conf").read_text()
    assert (copy / "conf.d/mine.conf").read_text() == "# mine\n"
    assert (copy / "conf.d/link.conf").readlink().name == "mine.conf"
    draft = change(folder, PROXY="none")
    copy_folders(folder, draft.bridge, draft.changes)
    assert not (copy / "nginx.conf").exists()


def test_a_strict_umask_does_not_lock_the_containers_out_of_a_copy(folder):
    """Services run as users of their own."""
    before = os.umask(0o077)
    try:
        draft = change(folder, CONFIGS_DIR="./conf/registry")
        copy_folders(folder, draft.bridge, draft.changes)
    finally:
        os.umask(before)
    assert (folder.bridge / "conf/registry").stat().st_mode & 0o777 == 0o755
    assert (folder.bridge / "conf/registry/config.yml").stat().st_mode & 0o777 == 0o644


def test_nothing_of_a_bridge_is_left_by_a_render(stackgen, folder):
    """Neither in the folder nor in compose.yaml."""
    change(folder, HSTS="true")
    stackgen("render", folder.root)
    assert not folder.bridge.exists()
    assert ".stackgen" not in folder.compose.read_text()


def test_what_can_not_be_copied_is_named_and_nothing_is_changed(stackgen, folder, request):
    """A socket in a folder that services mount and that lies on another disk, where no second name can lead to it."""
    before = folder.compose.read_bytes()
    elsewhere = Path(tempfile.mkdtemp(dir="/dev/shm"))
    request.addfinalizer(lambda: shutil.rmtree(elsewhere))
    shutil.copytree(folder.root / "nginx", elsewhere, dirs_exist_ok=True)
    shutil.rmtree(folder.root / "nginx")
    (folder.root / "nginx").symlink_to(elsewhere)
    with socket.socket(socket.AF_UNIX) as odd, contextlib.chdir(folder.root / "nginx"):
        odd.bind("odd")
    change(folder, HSTS="true")
    assert "nginx/odd can't be copied" in stackgen("render", folder.root, code=1).stderr
    assert folder.compose.read_bytes() == before
    assert not folder.journal.exists()
