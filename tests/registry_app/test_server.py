"""The service as a process: listeners, signals, TLS, slow clients."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from contextlib import closing, suppress
from pathlib import Path

import pytest

from registry_app.server import why_not_bindable
from registry_app.settings import Address
from tests.serving import free_port, start_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A service without users whose clients may be silent for a second."""
    folder = tmp_path_factory.mktemp("server")
    with start_registry(folder, config={"stackgen": {"threads": 4, "read_timeout": "500ms"}}) as running:
        yield running


def test_liveness_is_public_and_says_no_more_than_ok(registry):
    """A load balancer may ask for it."""
    answer = registry.request("GET", "/healthz")
    assert (answer.status, answer.body) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/debug/health", "/debug/ready", "/metrics", "/debug/vars", "/debug/pprof/"])
def test_nothing_internal_is_served_on_the_public_listener(registry, path):
    """Whatever the spelling of the Host header."""
    for host in ("127.0.0.1", f"127.0.0.1:{registry.debug_port}"):
        assert registry.request("GET", path, headers={"Host": host}).status == 404


def test_the_internal_listener_tells_health(registry):
    """`{}` means well; an index that is not complete yet is told, and no reason to be unready."""
    end = time.monotonic() + 20
    while b"index" in registry.ask_debug("/debug/ready").body and time.monotonic() < end:
        assert registry.ask_debug("/debug/ready").status == 200
        time.sleep(0.1)
    for path in ("/debug/health", "/debug/ready"):
        answer = registry.ask_debug(path)
        assert (answer.status, answer.body) == (200, b"{}")


def test_workers_without_a_readable_http_secret_sign_with_one_that_all_know(tmp_path):
    """An upload that began in one goes on in another; the reason is a note, for nobody is kept from anything."""
    secret = tmp_path / "http_secret"
    secret.write_text("\n")
    with start_registry(tmp_path, config={"stackgen": {"workers": 3, "http_secret_file": str(secret)}}) as registry:
        begun = [registry.request("POST", "/v2/a/blobs/uploads/") for _ in range(6)]
        places = [answer["Location"] for answer in begun]
        found = [registry.request("GET", place[place.index("/v2/") :]) for place in places * 4]
        assert {answer.status for answer in found} == {204}
        ready = registry.ask_debug("/debug/ready")
        assert ready.status == 200
        assert "holds no secret" in json.loads(ready.body)["http_secret"]
        secret.write_text("a secret\n")
        time.sleep(1)
        assert "http_secret" not in json.loads(registry.ask_debug("/debug/ready").body)


def test_the_page_for_people_shows_the_reader_s_own_address(registry):
    """With no script in it, and a policy that lets in its own style and nothing else."""
    answer = registry.request("GET", "/", headers={"Host": "registry.example.com:8443"})
    assert (answer.status, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"docker push registry.example.com:8443/team/my-image:1.0" in answer.body
    assert b"docker login" not in answer.body  # nobody has to
    style = re.search(rb"<style>(.*?)</style>", answer.body, re.DOTALL)[1]
    assert (
        f"style-src 'sha256-{b64encode(hashlib.sha256(style).digest()).decode()}'" in answer["Content-Security-Policy"]
    )
    assert answer["Content-Security-Policy"].startswith("default-src 'none'")
    assert b"<script" not in answer.body


@pytest.mark.parametrize("host", ["<script>alert(1)</script>", 'a"onload="x', "evil/../x", "a b"])
def test_a_hostile_host_stays_out_of_the_page(registry, host):
    """What can be no host is not shown."""
    answer = registry.request("GET", "/", headers={"Host": host})
    assert answer.status == 200
    assert host.encode() not in answer.body
    assert b"registry.example.com" in answer.body


@pytest.mark.slow
def test_silent_clients_do_not_keep_threads(registry):
    """More silent connections than threads, each with half a request: others are served within the patience."""
    silent = []
    try:
        for _ in range(12):
            client = socket.create_connection(("127.0.0.1", registry.port))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            silent.append(client)
        start = time.monotonic()
        assert registry.request("GET", "/healthz").status == 200
        assert time.monotonic() - start < 8
        assert registry.ask_debug("/debug/health").status == 200
    finally:
        for client in silent:
            client.close()
    assert "Traceback" not in registry.log.read_text()


@pytest.mark.slow
def test_the_service_stops_when_it_is_told_to(tmp_path):
    """SIGTERM ends it with exit code 0, a kept-alive connection notwithstanding."""
    with start_registry(tmp_path) as registry:
        client = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)
        with closing(client):
            client.request("GET", "/healthz")
            assert client.getresponse().read() == b"ok\n"
            assert registry.stop() == 0


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    certificate, key = folder / "crt.pem", folder / "key.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", "req", "-x509", "-days", "2", *curve, *names, *files], check=True, capture_output=True)
    return certificate, key


def served_name(port: int) -> str:
    """Common name of the certificate that a server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as wrapped:
        der = wrapped.getpeercert(binary_form=True)
        wrapped.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in wrapped.recv(4096)
    from cryptography import x509

    return x509.load_der_x509_certificate(der).subject.rfc4514_string()


def test_tls_is_served_without_a_proxy_and_a_new_certificate_without_a_restart(tmp_path):
    """By upstream's variables; an unusable new file leaves the old certificate in place."""
    certificate, key = make_certificate(tmp_path, "one")
    environ = {"REGISTRY_HTTP_TLS_CERTIFICATE": str(certificate), "REGISTRY_HTTP_TLS_KEY": str(key)}
    with start_registry(tmp_path / "r", environ=environ, config={"stackgen": {"workers": 1}}) as registry:
        assert served_name(registry.port) == "CN=one"
        make_certificate(tmp_path, "two")
        assert served_name(registry.port) == "CN=two"
        certificate.write_text("garbage")
        assert served_name(registry.port) == "CN=two"


def test_a_configuration_that_cannot_be_served_ends_with_its_problems_and_no_traceback(tmp_path):
    """Exit code 1, one line for each problem."""
    path = tmp_path / "config.yml"
    path.write_text("version: 0.1\nstorage: {s3: {bucket: b}}\nhttp: {addr: nowhere}\n")
    result = subprocess.run(
        [sys.executable, "-m", "registry_app", "serve", str(path)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.count("configuration error:") == 2
    assert "Traceback" not in result.stderr


def test_prefix_host_and_headers_of_the_configuration_reach_every_answer(tmp_path):
    """As upstream's `http.prefix`, `http.host` and `http.headers` do."""
    http_settings = {
        "prefix": "/deep/registry/",
        "host": "https://r.example.com",
        "headers": {"X-Site": ["here"], "X-Content-Type-Options": ["nosniff"]},
    }
    with start_registry(tmp_path, config={"http": http_settings, "stackgen": {"workers": 1}}) as registry:
        answer = registry.request("GET", "/deep/registry/v2/")
        assert (answer.status, answer["X-Site"], answer["Docker-Distribution-API-Version"]) == (
            200,
            "here",
            "registry/2.0",
        )
        started = registry.request("POST", "/deep/registry/v2/a/b/blobs/uploads/")
        assert started["Location"].startswith("https://r.example.com/deep/registry/v2/a/b/blobs/uploads/")
        path = started["Location"].removeprefix("https://r.example.com")
        assert registry.request("PATCH", path, body=b"x").status == 202
        refused = registry.request("GET", "/v2/")
        assert (refused.status, refused["X-Site"], refused["X-Content-Type-Options"]) == (404, "here", "nosniff")
        for page in ("/deep/registry/", "/"):
            answer = registry.request("GET", page)
            assert (answer.status, b"r.example.com" in answer.body) == (200, True)


def test_a_header_of_the_configuration_is_not_said_twice(tmp_path):
    """What an answer says by itself stands, as with upstream: the page's own headers, a blob's Cache-Control."""
    headers = {"X-Content-Type-Options": ["nosniff"], "Cache-Control": ["no-store"], "X-Two": ["a", "b"]}
    with start_registry(tmp_path, config={"http": {"headers": headers}, "stackgen": {"workers": 1}}) as registry:
        page = registry.request("GET", "/")
        assert (page["X-Content-Type-Options"], page["Cache-Control"]) == ("nosniff", "no-cache")
        base = registry.request("GET", "/v2/")
        assert (base["X-Content-Type-Options"], base["Cache-Control"], base["X-Two"]) == ("nosniff", "no-store", "a, b")


def start_in_vain(path, **options):
    """Error lines of a service that can't start."""
    command = [sys.executable, "-m", "registry_app", "serve", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


AS_ANOTHER = """
import os, sys
from pathlib import Path
from registry_app.configuration import load_settings
from registry_app.preflight import find_obstacles, find_worries
settings = load_settings(Path(sys.argv[1], "config.yml"), {})
os.setgroups([])
os.setgid(10001)
os.setuid(10001)
print(*find_obstacles(settings), *find_worries(settings), sep="\\n")
"""


def told_as_another(folder):
    """What stands in the way of the service in this folder where it runs as the image's user."""
    Path(folder).chmod(0o755)
    command = [sys.executable, "-c", AS_ANOTHER, folder]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_files_that_only_root_may_read_are_told_with_the_way_out():
    """A key as ACME clients leave it, an htpasswd file in a closed folder."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = make_certificate(Path(folder), "one")
        key.chmod(0o600)
        closed = Path(folder, "auth")
        closed.mkdir(mode=0o700)
        (closed / "htpasswd").write_text("")
        root = Path(folder, "root")
        root.mkdir()
        os.chown(root, 10001, 10001)
        tls = f"{{certificate: {certificate}, key: {key}}}"
        Path(folder, "config.yml").write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}}}\nhttp: {{tls: {tls}}}\n"
            f"auth: {{htpasswd: {{realm: r, path: {closed}/htpasswd}}}}\n"
        )
        of_key, of_users = told_as_another(folder).splitlines()
    assert of_key.startswith(f"http.tls.key: {key}: Permission denied: {key} belongs to 0:0 with the mode 0600")
    assert of_users.startswith(f"auth.htpasswd.path: {closed}/htpasswd: Permission denied: {closed} belongs to 0:0")
    for told in (of_key, of_users):
        assert "the service runs as 10001:10001: run `chgrp 10001` and `chmod g+rX` on it, as root" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_volume_that_belongs_to_root_is_told_with_the_way_out():
    """As registry:2 leaves it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "docker/registry/v2").mkdir(parents=True)
        Path(folder, "config.yml").write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\n")
        told = told_as_another(folder)
    assert "Permission denied" in told
    assert all("registry adopt --owner 10001:10001" in line for line in told.splitlines())


def test_what_stands_in_the_way_of_starting_is_told_without_a_traceback(tmp_path):
    """A missing certificate, a key of another certificate, a root directory that is a file, a port that is taken."""
    config = tmp_path / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/root}}}}\nhttp: {{tls: {{certificate: /missing, key: /missing}}}}\n"
    )
    told = start_in_vain(config)
    for key in ("certificate", "key"):
        assert f"http.tls.{key}: /missing: No such file" in told
    certificate, _ = make_certificate(tmp_path, "one")
    kept = certificate.read_bytes()
    _, key = make_certificate(tmp_path, "two")
    certificate.write_bytes(kept)
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/root}}}}\nhttp: {{tls: {{certificate: {certificate}, key: {key}}}}}\n"
    )
    assert "do they belong together?" in start_in_vain(config)
    config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {certificate}}}}}\n")
    assert "rootdirectory: " in start_in_vain(config)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/root}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        )
        assert f"http.addr: 127.0.0.1:{port}: Address already in use" in start_in_vain(config)


def test_nobody_who_waits_for_the_service_is_let_in_before_it_serves():
    """Looking whether its port is free takes no connection, which would be cut a moment later."""
    address, over, let_in = Address(host="127.0.0.1", port=free_port()), threading.Event(), []

    def keep_trying():
        while not over.is_set():
            with suppress(OSError), socket.create_connection((address.host, address.port), timeout=1):
                let_in.append(True)

    waiting = threading.Thread(target=keep_trying)
    waiting.start()
    try:
        assert {why_not_bindable(address) for _ in range(2000)} == {None}
    finally:
        over.set()
        waiting.join()
    assert not let_in


def test_a_missing_htpasswd_file_is_told_and_lets_nobody_in(tmp_path):
    """The service runs, for the file may come; until then nobody can log in."""
    missing = {"auth": {"htpasswd": {"path": str(tmp_path / "missing")}}}
    with start_registry(tmp_path / "r", config=missing) as registry:
        assert registry.request("GET", "/v2/").status == 401
        assert "missing: No such file or directory: nobody can log in" in registry.log.read_text()


def test_a_registry_that_is_configured_read_only_is_ready_for_reads_alone(tmp_path):
    """`storage.maintenance.readonly`: writes are refused, and readiness says why."""
    config = {"storage": {"maintenance": {"readonly": {"enabled": True}}}, "stackgen": {"workers": 1}}
    with start_registry(tmp_path, config=config) as registry:
        assert registry.request("POST", "/v2/a/blobs/uploads/").status == 405
        assert registry.request("GET", "/v2/").status == 200
        ready = registry.ask_debug("/debug/ready")
        assert (ready.status, b"storage.maintenance.readonly" in ready.body) == (503, True)
        assert registry.ask_debug("/debug/health").status == 200


def test_the_version_is_told():
    """`registry -v` and `--version`, as upstream's."""
    for flag in ("-v", "--version"):
        result = subprocess.run(
            [sys.executable, "-m", "registry_app", flag], capture_output=True, text=True, check=True
        )
        assert result.stdout.startswith("registry ")


def slow_upload(port, location, size=1000):
    """A client whose chunk has begun and not ended."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(
        f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * (size // 2)
    )
    return client


@pytest.mark.slow
def test_fifty_slow_uploads_do_not_keep_others_waiting(tmp_path):
    """With the threads that are the default, each of fifty pulls is answered at once."""
    with start_registry(tmp_path, config={"stackgen": {"threads": 64}}) as registry:
        locations = [registry.request("POST", "/v2/a/blobs/uploads/")["Location"] for _ in range(50)]
        slow = [slow_upload(registry.port, location) for location in locations]
        try:
            start = time.monotonic()
            assert all(registry.request("GET", "/v2/").status == 200 for _ in range(50))
            assert time.monotonic() - start < 5
            for client in slow:
                client.sendall(b"x" * 500)
            assert all(client.recv(4096).startswith(b"HTTP/1.1 202") for client in slow)
        finally:
            for client in slow:
                client.close()


@pytest.mark.slow
def test_an_upload_under_way_is_finished_when_the_service_stops(tmp_path):
    """SIGTERM lets running requests end; what comes after is refused."""
    with start_registry(tmp_path) as registry:
        location = registry.request("POST", "/v2/a/blobs/uploads/")["Location"]
        with closing(slow_upload(registry.port, location)) as client:
            time.sleep(0.2)
            registry.process.terminate()
            time.sleep(0.5)
            client.sendall(b"x" * 500)
            assert client.recv(4096).startswith(b"HTTP/1.1 202")
        assert registry.stop() == 0
