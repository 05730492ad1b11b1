"""Metrics of the real service: gunicorn with two workers, asked on its internal listener."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import signal
import string
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from registry_app.http.instrumentation import handler_of
from registry_app.http.routes import ROUTES
from registry_app.metrics.definitions import BY_NAME, HANDLERS
from registry_app.monitoring import SETTLED_EVERY_SECONDS
from tests.registry_app.test_abuse import raw
from tests.registry_app.test_refusals import NO_REQUESTS
from tests.serving import start_registry

CONFIG = b"{}"
LAYER = os.urandom(70_000)
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def digest(content):
    """Of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest():
    """The manifest of the image that these tests push."""

    def describe(content, media_type):
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)}

    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": describe(CONFIG, "application/vnd.oci.image.config.v1+json"),
            "layers": [describe(LAYER, "application/vnd.oci.image.layer.v1.tar")],
        }
    ).encode()


def push(registry, repository="team/app", tag="1"):
    """Config, layer and manifest."""
    for content in (CONFIG, LAYER):
        answer = registry.request("POST", f"/v2/{repository}/blobs/uploads/?digest={digest(content)}", content)
        assert answer.status == 201
    answer = registry.request("PUT", f"/v2/{repository}/manifests/{tag}", manifest(), {"Content-Type": MANIFEST_TYPE})
    assert answer.status == 201


def page(registry):
    """(name, labels) → value of everything that the service tells, once its workers have told each other."""
    time.sleep(SETTLED_EVERY_SECONDS + 0.2)
    answer = registry.ask_debug("/metrics")
    assert answer.status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def value(found, name, **labels):
    """One series of the page, or None."""
    return found.get((name, tuple(sorted(labels.items()))))


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A registry with two users, shared by the tests of this file."""
    with start_registry(tmp_path_factory.mktemp("metrics"), users={"alice": "pw", "bob": "pw"}) as running:
        yield running


def test_what_was_done_is_what_is_told(registry):
    """A push, two pulls, a HEAD, a range, a wrong login and a delete: each once in its place, over both workers."""
    before = page(registry)
    push(registry)
    for path in ("/v2/team/app/manifests/1", f"/v2/team/app/blobs/{digest(LAYER)}"):
        for _ in range(2):
            assert registry.request("GET", path).status == 200
        assert registry.request("HEAD", path).status == 200
    part = registry.request("GET", f"/v2/team/app/blobs/{digest(LAYER)}", headers={"Range": "bytes=0-99"})
    assert part.status == 206
    wrong = registry.request("GET", "/v2/", headers={"Authorization": "Basic YWxpY2U6bm8="})
    assert wrong.status == 401
    assert registry.request("GET", "/v2/", auth=False).status == 401
    assert registry.request("DELETE", "/v2/team/app/manifests/1").status == 202
    after = page(registry)

    def grown(name, **labels):
        return value(after, name, **labels) - (value(before, name, **labels) or 0)

    assert grown("registry_pushes_total", outcome="ok") == 1
    assert grown("registry_pulls_total", outcome="ok") == 2
    assert grown("registry_deletes_total", outcome="ok") == 1
    assert grown("registry_pushed_bytes_total", outcome="ok") == len(CONFIG) + len(LAYER) + len(manifest())
    assert grown("registry_pulled_bytes_total", outcome="ok") == 2 * (len(LAYER) + len(manifest())) + 100
    assert grown("registry_http_requests_total", handler="blob", code="206", method="get") == 1
    assert grown("registry_http_request_duration_seconds_count", handler="blob", method="get") == 3
    assert grown("registry_auth_requests_total", result="failed") == 1
    assert grown("registry_auth_requests_total", result="challenged") == 1
    assert grown("registry_auth_requests_total", result="accepted") == 11
    assert grown("registry_verification_cache_total", result="miss") <= 2
    assert value(after, "registry_http_in_flight_requests", handler="blob") == 0
    assert value(after, "registry_recent_user_failed_logins", user="alice") == 1
    assert value(after, "registry_recent_address_failed_logins", address="127.0.0.1") == 1
    pulled = value(after, "registry_recent_repository_bytes", repository="team/app", direction="pull")
    assert pulled == grown("registry_pulled_bytes_total", outcome="ok")
    assert value(after, "registry_workers", state="serving") == 2
    assert value(after, "registry_storage_writable") == 1
    assert value(after, "registry_observation_errors") == 0


@pytest.mark.slow
def test_ten_thousand_random_requests_make_no_series_of_their_own(registry):
    """Methods, paths, names, agents and users of any shape: the number of series stays."""
    chance = random.Random(11)

    def word():
        return "".join(chance.choices(string.ascii_lowercase + string.digits, k=12))

    def spray(number):
        connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=30)
        for _ in range(number):
            shape = chance.randrange(5)
            method = word().upper() if shape == 0 else chance.choice(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"])
            path = ["/v2/", f"/{word()}", f"/v2/{word()}/tags/list", f"/v2/{word()}/{word()}/manifests/{word()}"][
                chance.randrange(4)
            ]
            headers = {"User-Agent": word(), "X-Forwarded-For": word(), "X-Request-Id": word()}
            connection.request(method, path, headers=headers)
            connection.getresponse().read()
        connection.close()

    spray(400)
    before = set(page(registry))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(spray, [1200] * 8))
    new = set(page(registry)) - before
    assert len(new) <= 30, sorted(new)  # combinations of listed values that chance had not met
    for name, labels in set(page(registry)):
        definition = BY_NAME.get(name) or BY_NAME[name.rpartition("_")[0]]
        for label, text in labels:
            assert label == "le" or not isinstance(definition.labels[label], tuple) or text in definition.labels[label]


@pytest.mark.parametrize("told", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_counts_survive_the_end_of_a_worker(registry, told):
    """What it has shared stays, and what it had in flight goes; one that is stopped shares its last second too."""
    before = value(page(registry), "registry_http_requests_total", handler="base", code="200", method="get") or 0
    for _ in range(20):
        registry.request("GET", "/v2/")
    if told == signal.SIGKILL:
        page(registry)
    children = Path(f"/proc/{registry.process.pid}/task/{registry.process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), told)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            found = page(registry)
        except OSError:
            time.sleep(0.1)
            continue
        if value(found, "registry_workers", state="serving") == 2:
            break
    counted = before + 20
    assert value(found, "registry_http_requests_total", handler="base", code="200", method="get") == counted
    registry.request("GET", "/v2/")
    found = page(registry)
    assert value(found, "registry_http_requests_total", handler="base", code="200", method="get") == counted + 1


def test_a_client_that_leaves_in_the_middle_is_counted_as_interrupted(registry):
    """Bytes that were not taken are not told as handed out well, and nothing stays in flight."""
    big = os.urandom(30 << 20)
    path = f"/v2/team/big/blobs/uploads/?digest={digest(big)}"
    assert registry.request("POST", path, big).status == 201
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)
    connection.connect()
    authorization = {"Authorization": "Basic YWxpY2U6cHc="}
    connection.request("GET", f"/v2/team/big/blobs/{digest(big)}", headers=authorization)
    connection.getresponse().read(1000)
    connection.sock.shutdown(2)
    connection.close()
    end = time.monotonic() + 10
    while not value(page(registry), "registry_pulled_bytes_total", outcome="interrupted") and time.monotonic() < end:
        time.sleep(0.1)
    found = page(registry)
    assert value(found, "registry_pulled_bytes_total", outcome="interrupted") == len(big)
    assert value(found, "registry_http_in_flight_requests", handler="blob") == 0


@pytest.mark.parametrize("name", ["a line too long", "a header too long", "an unknown coding", "no version"])
def test_what_is_no_request_is_counted_by_its_code(registry, name):
    """The application never sees it: a flood of them shows all the same."""
    sent, status, _ = NO_REQUESTS[name]
    series = {"handler": "none", "code": str(status), "method": "unknown"}
    before = value(page(registry), "registry_http_requests_total", **series) or 0
    raw(registry, sent, shut=False)
    assert value(page(registry), "registry_http_requests_total", **series) == before + 1


def test_every_route_has_a_handler_in_the_table():
    """A new route is counted under a name of its own."""
    assert {handler_of(route) for route in ROUTES} | {"none"} == set(HANDLERS)


def test_without_a_reader_nothing_is_counted(tmp_path):
    """No debug listener or no prometheus in it: no page, no files."""
    with start_registry(tmp_path, config={"http": {"debug": {"prometheus": {"enabled": False}}}}) as plain:
        assert plain.request("GET", "/v2/").status == 200
        assert plain.ask_debug("/metrics").status == 404


def test_the_public_listener_has_no_metrics(registry):
    """They are for the internal network alone."""
    for path in ("/metrics", "/debug/metrics", "/debug/health", "/v2/metrics", "//metrics", "/metrics/"):
        assert registry.request("GET", path).status in {400, 404}, path
