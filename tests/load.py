"""Pushes and pulls of many clients at once, each of which must be answered well, while something else goes on."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import ssl
import threading
import time
from base64 import b64encode
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REQUESTS_OF_A_CONNECTION = 7
ROTATIONS = (
    ("password", "--keep-old", "20m"),
    ("http-secret",),
    ("tls",),
    ("ca",),
    ("tls",),
    ("tls", "--undo"),
    ("ca", "--undo"),
    ("password", "--undo"),
    ("all", "--keep-old", "20m"),
)
"""What `stackgen rotate` is asked for in turn while the clients work: every secret, and each way back."""


class Load:
    """Clients of one registry over TLS. Odd ones trust the authority of the beginning, even ones the newest file.

    `credentials` gives user and password for each request; `failures` holds every answer that was not the one due,
    `longest` the seconds of the slowest.
    """

    def __init__(self, host: str, port: int, authority: Path, credentials: Callable[[], tuple[str, str]]) -> None:
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []
        self.longest = 0.0
        self._host, self._port, self._authority, self._credentials = host, port, authority, credentials
        self._first_authority = authority.read_text()
        self._stop = threading.Event()
        self._number = itertools.count()

    @contextmanager
    def running(self, pushers: int = 2, pullers: int = 2) -> Iterator[Load]:
        """The clients at work; ends them and waits for them."""
        with closing(self._connect(0)) as connection:
            self._push(connection, "load/seed")
        threads = [threading.Thread(target=self._work, args=(n, self._push_anew)) for n in range(pushers)]
        threads += [threading.Thread(target=self._work, args=(n, self._pull)) for n in range(pullers)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)

    def goes_on(self, seconds: float = 1.0) -> None:
        """Waits while the clients work."""
        time.sleep(seconds)

    def is_served(self, requests: int = 20, within: float = 90) -> None:
        """Waits until so many more requests were answered well, or the time (seconds) is over."""
        before, end = self.done.total(), time.monotonic() + within
        while self.done.total() < before + requests and time.monotonic() < end:
            time.sleep(0.05)

    def _work(self, number: int, act: Callable[[http.client.HTTPSConnection], None]) -> None:
        while not self._stop.is_set():
            try:
                with closing(self._connect(number)) as connection:
                    for _ in range(REQUESTS_OF_A_CONNECTION):
                        act(connection)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(f"{time.time():.2f} {act.__name__} of client {number}: {error!r}")

    def _connect(self, number: int) -> http.client.HTTPSConnection:
        # Patient for longer than nginx lets a request wait for a registry that restarts: its answer is what counts.
        trusted = self._first_authority if number % 2 else self._authority.read_text()
        return http.client.HTTPSConnection(
            self._host, self._port, context=ssl.create_default_context(cadata=trusted), timeout=60
        )

    def _ask(
        self,
        connection: http.client.HTTPSConnection,
        due: int,
        method: str,
        path: str,
        body: bytes = b"",
        **headers: str,
    ) -> http.client.HTTPResponse:
        user, password = self._credentials()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        began = time.monotonic()
        connection.request(method, path, body=body or None, headers=headers)
        answer = connection.getresponse()
        answer.content = answer.read()
        took = time.monotonic() - began
        self.longest = max(self.longest, took)
        assert answer.status == due, f"{method} {path}: {answer.status} after {took:.1f} s {answer.content[:200]!r}"
        self.done[method] += 1
        return answer

    def _push_anew(self, connection: http.client.HTTPSConnection) -> None:
        self._push(connection, f"load/image{next(self._number) % 5}")

    def _push(self, connection: http.client.HTTPSConnection, repository: str) -> None:
        blob = f"{time.time_ns()} {next(self._number)}".encode() * 50
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        place = self._ask(connection, 202, "POST", f"/v2/{repository}/blobs/uploads/", Content_Length="0").headers[
            "Location"
        ]
        place = self._ask(connection, 202, "PATCH", place, blob).headers["Location"]
        self._ask(connection, 201, "PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", Content_Length="0")
        described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(blob)}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}).encode()
        self._ask(connection, 201, "PUT", f"/v2/{repository}/manifests/v1", manifest, Content_Type=MANIFEST)

    def _pull(self, connection: http.client.HTTPSConnection) -> None:
        answer = self._ask(connection, 200, "GET", "/v2/load/seed/manifests/v1", Accept=MANIFEST)
        digest = json.loads(answer.content)["config"]["digest"]
        blob = self._ask(connection, 200, "GET", f"/v2/load/seed/blobs/{digest}").content
        assert "sha256:" + hashlib.sha256(blob).hexdigest() == digest
