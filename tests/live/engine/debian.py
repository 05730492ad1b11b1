"""Debian packages of newer releases, without touching this machine's own package lists."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from .machine import answers, cache_folder, run, say

if TYPE_CHECKING:
    from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# A mirror that stands still, or a clock that runs ahead, is no reason to stop: signatures are still checked.
_APT_SETTINGS = """\
Acquire::Check-Valid-Until "false";
Acquire::Check-Date "false";
Acquire::Languages "none";
Acquire::Retries "3";
"""


def install(*packages: str) -> None:
    """Install packages of this machine's own release."""
    say(f"installing {' '.join(packages)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    environment = ["env", *(f"{name}={quiet[name]}" for name in ("DEBIAN_FRONTEND", "PATH"))]
    run([*environment, "apt-get", "update", "-qq"], within=180)
    run([*environment, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], within=300)


def bootstrap(suite: str, target: Path, *, include: str = "") -> Path:
    """A minimal system of `suite` at `target`: a tar archive where its name ends so, else a folder. Made once."""
    if target.exists():
        return target
    if not answers(["mmdebstrap", "--version"]):
        install("mmdebstrap")
    say(f"making {target.name} of Debian {suite}")
    settings = cache_folder() / "apt.conf"
    settings.write_text(_APT_SETTINGS)
    unfinished = target.with_name(f"unfinished-{target.name}")
    _remove(unfinished)
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", f"--aptopt={settings}"]
    command += ["--dpkgopt=force-unsafe-io", *([f"--include={include}"] if include else [])]
    run([*command, suite, unfinished, f"deb {MIRROR} {suite} main"], within=420)
    unfinished.rename(target)
    say(f"made {target.name}")
    return target


def unpack(package: str, suite: str) -> Path:
    """A folder with the files of one package of `suite`. Downloaded once."""
    target = cache_folder() / f"{package}-{suite}"
    if target.exists():
        return target
    say(f"downloading {package} of Debian {suite}")
    options = _apt_options(suite)
    unfinished = target.with_name(f"unfinished-{target.name}")
    _remove(unfinished)
    unfinished.mkdir()
    run(["apt-get", *options, "update", "-qq"], within=180)
    run(["env", "-C", unfinished, "apt-get", *options, "download", "-qq", f"{package}/{suite}"], within=180)
    archive = next(unfinished.glob("*.deb"))
    run(["dpkg-deb", "--extract", archive, unfinished], within=60)
    archive.unlink()
    unfinished.rename(target)
    return target


def _apt_options(suite: str) -> list[str]:
    """Options that give apt-get lists and settings of our own."""
    state = cache_folder() / f"apt-{suite}"
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {MIRROR} {suite} main\n")
    (state / "apt.conf").write_text(_APT_SETTINGS)
    places = {"Etc::SourceList": "sources.list", "State::Lists": "lists", "Cache": "."}
    options = [f"-oDir::{name}={state / place}" for name, place in places.items()]
    return [f"-c={state / 'apt.conf'}", "-oDir::Etc::SourceParts=-", "-oAPT::Sandbox::User=root", *options]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
