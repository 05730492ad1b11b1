"""Load by well-kept generators: wrk for GET, ab for HEAD (wrk waits for a body that never comes)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from bench.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stand import Stand

SCRIPT = Path(__file__).with_name("requests.lua")
ACCEPT = "Accept: application/vnd.oci.image.manifest.v1+json"


def get_load(stand: Stand, paths: Sequence[str], *, connections: int, seconds: float, least: int = 0) -> Sample:
    """GETs the paths in turn for some seconds; the value is requests a second.

    All have failed where they brought fewer than `least` bytes each.
    """
    folder = stand.workspace.folder
    (folder / "paths").write_text("".join(f"{path}\n" for path in paths))
    (folder / "headers").write_text("".join(f"{c.header}\n" for c in stand.credentials))
    amount = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s"]
    output = _run(["wrk", *amount, "-s", SCRIPT, stand.url, "--", folder / "paths", folder / "headers"])
    told = json.loads(output.rsplit("\n{", 1)[1].join(["{", ""]))
    elapsed = told["microseconds"] / 1e6
    return Sample(
        value=told["requests"] / elapsed,
        requests=told["requests"],
        bytes=told["bytes"],
        failed=told["failed"] if told["bytes"] >= least * told["requests"] else told["requests"],
        seconds=elapsed,
        p99_ms=told["p99_us"] / 1e3,
    )


def head_load(stand: Stand, path: str, *, connections: int, seconds: float) -> Sample:
    """HEADs one path for some seconds; the value is requests a second."""
    headers = [part for name, value in stand.headers().items() for part in ("-H", f"{name}: {value}")]
    command = ["ab", "-q", "-i", "-k", "-c", str(connections), "-t", str(max(1, round(seconds))), "-n", "10000000"]
    output = _run([*command, "-H", ACCEPT, *headers, stand.url + path])
    return Sample(
        value=_number(r"Requests per second:\s+([\d.]+)", output),
        requests=int(_number(r"Complete requests:\s+(\d+)", output)),
        failed=int(_number(r"Non-2xx responses:\s+(\d+)", output)) + int(_number(r"Failed requests:\s+(\d+)", output)),
        seconds=_number(r"Time taken for tests:\s+([\d.]+)", output),
        p99_ms=_number(r"99%\s+(\d+)", output),
    )


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr[-500:] or done.stdout[-500:]}")
    return done.stdout


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0
