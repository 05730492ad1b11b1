"""A push through nginx whose client, worker process or nginx dies in the middle goes on where it was cut."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.registry_app.nginx import nginx_in_front
from tests.serving import start_registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.serving import RunningRegistry

CONTENT = random.Random(1).randbytes(24 << 20)
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
SENT = 15 << 20
WITHIN = 20.0


def children(pid: int) -> list[int]:
    """The process ids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def holder(registry: RunningRegistry, upload: str) -> int:
    """The worker process that has the upload's data open."""
    for worker in children(registry.process.pid):
        opened = [str(entry.readlink()) for entry in Path(f"/proc/{worker}/fd").iterdir() if entry.is_symlink()]
        if any(f"/_uploads/{upload}/" in path for path in opened):
            return worker
    raise AssertionError("no worker has the upload open")


def wait_for(true: Callable[[], bool]) -> None:
    """Returns once it is true."""
    end = time.monotonic() + WITHIN
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("victim", ["client", "worker", "nginx"])
def test_a_push_cut_in_the_middle_goes_on_where_it_was_cut(victim: str, tmp_path: Path) -> None:
    """What arrived is kept and told, others are served at once, and the rest makes the blob whole."""
    with ExitStack() as stack:
        registry = stack.enter_context(start_registry(tmp_path))
        front = stack.enter_context(nginx_in_front(registry, tmp_path / "nginx"))
        begun = front.request("POST", "/v2/team/app/blobs/uploads/")
        location, upload = str(begun["Location"]), str(begun["Docker-Upload-UUID"])
        data = registry.root / f"docker/registry/v2/repositories/team/app/_uploads/{upload}/data"
        path = location.removeprefix(front.url)
        with socket.create_connection(("127.0.0.1", front.port), timeout=WITHIN) as client:
            head = f"PATCH {path} HTTP/1.1\r\nHost: {front.authority}\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
            client.sendall(head.encode() + CONTENT[:SENT])
            wait_for(lambda: data.exists() and data.stat().st_size > 4 << 20)
            if victim == "worker":
                os.kill(holder(registry, upload), signal.SIGKILL)
            elif victim == "nginx":
                master = int((tmp_path / "nginx/nginx.pid").read_text())
                for process in (*children(master), master):
                    os.kill(process, signal.SIGKILL)
        if victim == "nginx":
            front = stack.enter_context(nginx_in_front(registry, tmp_path / "another"))
        wait_for(lambda: front.request("GET", "/v2/").status == 200)

        def resumes() -> bool:
            offset = data.stat().st_size
            assert 4 << 20 < offset <= SENT
            span = {"Content-Range": f"{offset}-{len(CONTENT) - 1}"}
            answer = front.request("PATCH", path, CONTENT[offset:], span)
            assert answer.status in {202, 416}, answer.body  # 416: the worker still takes in what had arrived
            return answer.status == 202

        wait_for(resumes)
        assert front.request("PUT", f"{path}&digest={DIGEST}").status == 201
        assert front.request("GET", f"/v2/team/app/blobs/{DIGEST}").body == CONTENT
