"""What a hostile or broken client may send, and that nothing comes of it."""

from __future__ import annotations

import hashlib
import json
import random
import re
import socket
import time
from base64 import b64encode
from contextlib import closing

import pytest

from tests.registry_app.nginx import nginx_in_front
from tests.registry_app.test_protocol import EMPTY, OCI_MANIFEST, digest, encoded, image
from tests.serving import start_registry

MANIFEST = encoded(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(EMPTY), "size": 2},
        "layers": [],
    }
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """One service without users, whose clients may be silent for two seconds."""
    folder = tmp_path_factory.mktemp("abuse")
    with start_registry(
        folder, config={"stackgen": {"workers": 1, "read_timeout": "1s"}, "http": {"draintimeout": "1s"}}
    ) as running:
        assert running.request("POST", f"/v2/a/blobs/uploads/?digest={digest(EMPTY)}", body=EMPTY).status == 201
        yield running
        assert "Traceback" not in running.log.read_text()


def raw(registry, sent: bytes, *, patience: float = 5, shut: bool = True) -> bytes:
    """Everything that comes back for these bytes, until the other side closes or is silent."""
    with closing(socket.create_connection(("127.0.0.1", registry.port), timeout=patience)) as client:
        client.sendall(sent)
        if shut:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := client.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


def head(method: str, path: str, *headers: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: registry", *headers, "", ""]).encode()


def statuses(answer: bytes) -> list[int]:
    """Every status in what came back."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


CHUNKED = b"5\r\nhello\r\nb;name=value\r\n big world!\r\n0\r\nX-Trailer: y\r\n\r\n"
WHOLE = b"hello big world!"


def test_the_whole_chunked_body_is_accepted(registry):
    """The very bytes whose every beginning is refused below."""
    location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    answer = raw(registry, head("PUT", f"{location}&digest={digest(WHOLE)}", "Transfer-Encoding: chunked") + CHUNKED)
    assert statuses(answer) == [201], answer
    assert registry.request("DELETE", f"/v2/a/blobs/{digest(WHOLE)}").status == 202


@pytest.mark.parametrize("way", ["PUT", "POST"])
def test_a_chunked_body_cut_at_any_byte_is_never_a_blob(registry, way):
    """Neither in the PUT that ends an upload nor in a single POST: never 201, and no blob."""
    for cut in range(len(CHUNKED)):
        if way == "PUT":
            location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
            path = f"{location}&digest={digest(WHOLE)}"
        else:
            path = f"/v2/a/blobs/uploads/?digest={digest(WHOLE)}"
        answer = raw(registry, head(way, path, "Transfer-Encoding: chunked") + CHUNKED[:cut])
        assert statuses(answer) in ([], [400]), f"cut at {cut}: {answer!r}"
    assert registry.request("HEAD", f"/v2/a/blobs/{digest(WHOLE)}").status == 404


def test_a_chunk_cut_at_any_byte_is_never_acknowledged(registry):
    """PATCH answers no 202, and what the upload holds then is a beginning of what was sent."""
    for cut in range(len(CHUNKED)):
        location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
        answer = raw(registry, head("PATCH", location, "Transfer-Encoding: chunked") + CHUNKED[:cut])
        assert statuses(answer) in ([], [400]), f"cut at {cut}: {answer!r}"
        state = registry.request("GET", location)
        assert state.status == 204
        end = int(state["Range"].removeprefix("0-"))
        rest = WHOLE[end + 1 if end else 0 :]
        done = registry.request("PUT", f"{location}&digest={digest(WHOLE)}", body=rest)
        assert done.status == 201, f"cut at {cut}, resumed at {end}: {done.body!r}"
        assert registry.request("DELETE", f"/v2/a/blobs/{digest(WHOLE)}").status == 202


def test_a_body_cut_at_any_byte_is_never_a_blob_behind_nginx(registry, tmp_path):
    """Nginx passes a cut on as a cut, in chunks and by length."""
    with nginx_in_front(registry, tmp_path) as front:
        path = f"/v2/a/blobs/uploads/?digest={digest(WHOLE)}"
        for cut in range(len(CHUNKED)):
            answer = raw(front, head("POST", path, "Transfer-Encoding: chunked") + CHUNKED[:cut])
            assert not {201, 202} & set(statuses(answer)), f"cut at {cut}: {answer!r}"
        for cut in range(len(WHOLE)):
            answer = raw(front, head("POST", path, f"Content-Length: {len(WHOLE)}") + WHOLE[:cut])
            assert not {201, 202} & set(statuses(answer)), f"cut at {cut}: {answer!r}"
        assert front.request("HEAD", f"/v2/a/blobs/{digest(WHOLE)}").status == 404
        answer = raw(front, head("POST", path, "Transfer-Encoding: chunked", "Connection: close") + CHUNKED, shut=False)
        assert statuses(answer) == [201], answer
        assert front.request("DELETE", f"/v2/a/blobs/{digest(WHOLE)}").status == 202


@pytest.mark.parametrize("last", [4, 20])
def test_a_chunked_body_of_another_length_than_its_range_is_refused(registry, last):
    """As with Content-Length; the upload stays as it was, and takes the right one."""
    location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    body = iter([b"hello", b" world"])
    refused = registry.request("PATCH", location, body=body, headers={"Content-Range": f"0-{last}"})
    assert (refused.status, b"SIZE_INVALID" in refused.body) == (400, True)
    assert registry.request("GET", location)["Range"] == "0-0"
    taken = registry.request("PATCH", location, body=iter([b"hello world"]), headers={"Content-Range": "0-10"})
    assert (taken.status, taken["Range"]) == (202, "0-10")


def test_a_body_shorter_than_its_length_is_never_accepted(registry):
    """Content-Length says how much there is; every shorter body is refused."""
    for cut in range(len(WHOLE)):
        path = f"/v2/a/blobs/uploads/?digest={digest(WHOLE[:cut])}"
        answer = raw(registry, head("POST", path, f"Content-Length: {len(WHOLE)}") + WHOLE[:cut])
        assert statuses(answer) in ([], [400]), answer
        assert registry.request("HEAD", f"/v2/a/blobs/{digest(WHOLE[:cut])}").status == 404


def test_a_manifest_cut_at_any_byte_is_never_accepted(registry):
    """A JSON text followed by spaces is valid at many lengths: the framing decides."""
    body = MANIFEST + b" " * 40
    for cut in range(len(MANIFEST) - 2, len(body)):
        answer = raw(
            registry,
            head("PUT", "/v2/a/manifests/cut", f"Content-Length: {len(body)}", f"Content-Type: {OCI_MANIFEST}")
            + body[:cut],
        )
        assert statuses(answer) in ([], [400]), answer
        chunked = b"%x\r\n%s\r\n" % (len(body), body[:cut])
        answer = raw(
            registry,
            head("PUT", "/v2/a/manifests/cut", "Transfer-Encoding: chunked", f"Content-Type: {OCI_MANIFEST}") + chunked,
        )
        assert statuses(answer) in ([], [400]), answer
    assert registry.request("HEAD", "/v2/a/manifests/cut").status == 404


SMUGGLED = b"GET /v2/_catalog HTTP/1.1\r\nHost: smuggled\r\n\r\n"
SMUGGLING = {
    "length and chunks": (["Content-Length: 6", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + SMUGGLED),
    "two lengths": (["Content-Length: 0", "Content-Length: 5"], b"hello"),
    "two equal lengths": (["Content-Length: 5", "Content-Length: 5"], b"hello"),
    "a list of lengths": (["Content-Length: 5, 5"], b"hello"),
    "a signed length": (["Content-Length: +5"], b"hello"),
    "a negative length": (["Content-Length: -1"], b"hello"),
    "a hexadecimal length": (["Content-Length: 0x5"], b"hello"),
    "a length with a space": (["Content-Length : 5"], b"hello"),
    "chunked twice": (["Transfer-Encoding: chunked, chunked"], b"0\r\n\r\n"),
    "chunked in two headers": (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "chunked, then identity": (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
    "an unknown coding": (["Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
    "a coding behind a tab": (["Transfer-Encoding:\x0bchunked"], b"0\r\n\r\n"),
    "a coding without chunks": (["Transfer-Encoding: gzip"], b"hello"),
    "a chunk size with 0x": (["Transfer-Encoding: chunked"], b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size with a sign": (["Transfer-Encoding: chunked"], b"+5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size with underscores": (["Transfer-Encoding: chunked"], b"0_5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size with a space": (["Transfer-Encoding: chunked"], b" 5\r\nhello\r\n0\r\n\r\n"),
    "no chunk size": (["Transfer-Encoding: chunked"], b"\r\nhello\r\n0\r\n\r\n"),
    "a chunk longer than its size": (["Transfer-Encoding: chunked"], b"4\r\nhello\r\n0\r\n\r\n"),
    "chunks that end lines with LF": (["Transfer-Encoding: chunked"], b"5\nhello\n0\n\n"),
    "a chunk extension with a bare CR": (["Transfer-Encoding: chunked"], b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "an endless chunk size": (["Transfer-Encoding: chunked"], b"0" * 20000),
    "a folded header": (["X-A: b", " c", "Content-Length: 5"], b"hello"),
    "a header with NUL": (["X-A: b\0c", "Content-Length: 5"], b"hello"),
    "a header without a name": ([": b", "Content-Length: 5"], b"hello"),
    "two hosts": (["Host: other", "Content-Length: 5"], b"hello"),
    "a trailer that sets the length": (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n"),
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_ambiguous_framing_is_refused_and_ends_the_connection(registry, name):
    """One answer at most, never a success, and nothing behind the body is taken for a request."""
    headers, body = SMUGGLING[name]
    sent = head("POST", f"/v2/a/blobs/uploads/?digest={digest(b'hello')}", *headers) + body + SMUGGLED
    answer = raw(registry, sent)
    assert statuses(answer) in ([400], [501], [431]), answer
    assert registry.request("HEAD", f"/v2/a/blobs/{digest(b'hello')}").status == 404


def test_chunks_in_http_1_0_are_refused(registry):
    """A proxy that speaks 1.0 would see another end of the body."""
    sent = f"POST /v2/a/blobs/uploads/?digest={digest(b'hello')} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert statuses(raw(registry, sent.encode()).replace(b"HTTP/1.0", b"HTTP/1.1")) == [400]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../../etc/passwd",
        "/v2/a/blobs/../../../../etc/passwd",
        "/v2/a/blobs/sha256:..%2f..%2f..%2fetc%2fpasswd",
        "/v2/a/blobs/sha256:" + "%2e%2e/" * 8 + "etc/passwd",
        "/v2/a%2f..%2f..%2fb/manifests/1",
        "/v2/a/manifests/..%2f..%2fx",
        "/v2/a/manifests/%00",
        "/v2/a%00/manifests/1",
        "/v2/a/manifests/\u212a".encode().decode("latin-1"),
        "/v2/%c3%a4/manifests/1",
        "/v2/%ff/manifests/1",
        "/v2//manifests/1",
        "/v2/a//b/manifests/1",
        "/v2/_catalog/manifests/1",
        "/v2/a/_uploads/manifests/1",
        "/v2/a/blobs/uploads/../../../x",
        "/v2/a/blobs/uploads/%2e%2e%2f%2e%2e%2fx",
        "/v2/a/blobs/uploads/%00",
        "/v2/a/referrers/sha256:../x",
        "//v2/",
        "/" + "v2/" * 3000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_no_path_leads_out_of_the_tree(registry, method, path):
    """400, 404 or 405, whatever is hidden in the names."""
    answer = raw(registry, head(method, path, "Content-Length: 0", "Connection: close"))
    assert statuses(answer)[0] in {400, 404, 405, 414}, answer
    assert b"root:" not in answer


@pytest.mark.parametrize("source", ["..", "a/../b", "%00", "A", "/etc", "a%2f..", "x" * 300])
def test_a_mount_from_a_path_is_refused(registry, source):
    """`from` is a repository's name and nothing else."""
    answer = registry.request("POST", f"/v2/a/blobs/uploads/?mount={digest(EMPTY)}&from={source}")
    assert answer.status == 400
    assert json.loads(answer.body)["errors"][0]["code"] == "NAME_INVALID"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "10.0.0.1"},
        {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil.example"},
        {"Forwarded": "proto=https;host=evil.example"},
        {"Host": "evil.example"},
        {"Script_Name": "/evil", "Path_Info": "/evil"},
    ],
)
def test_forwarded_headers_of_strangers_do_not_reach_a_location(registry, headers):
    """Locations are paths by default; nobody else's host gets into them."""
    location = registry.request("POST", "/v2/a/blobs/uploads/", headers=headers).headers["Location"]
    assert location.startswith("/v2/a/blobs/uploads/")


@pytest.mark.slow
def test_absolute_locations_follow_trusted_proxies_alone(tmp_path):
    """With relativeurls off the forwarded host counts from a trusted address only."""
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "registry.example.com"}
    absolute = {"http": {"relativeurls": False}}
    with start_registry(tmp_path / "far", config=absolute) as registry:
        location = registry.request("POST", "/v2/a/blobs/uploads/", headers=forged)["Location"]
        assert location.startswith(f"http://{registry.authority}/v2/a/")
    trusted = {**absolute, "stackgen": {"trusted_proxies": ["127.0.0.0/8"]}}
    with start_registry(tmp_path / "near", config=trusted) as registry:
        location = registry.request("POST", "/v2/a/blobs/uploads/", headers=forged)["Location"]
        assert location.startswith("https://registry.example.com/v2/a/")


def test_deletes_that_are_off_are_off_for_everything(tmp_path):
    """Tag, manifest, blob, repository: 405, and all is still there."""
    with start_registry(tmp_path, config={"storage": {"delete": {"enabled": False}}}) as registry:
        assert registry.request("POST", f"/v2/a/blobs/uploads/?digest={digest(EMPTY)}", body=EMPTY).status == 201
        assert (
            registry.request("PUT", "/v2/a/manifests/1", body=MANIFEST, headers={"Content-Type": OCI_MANIFEST}).status
            == 201
        )
        for path in ("manifests/1", f"manifests/{digest(MANIFEST)}", f"blobs/{digest(EMPTY)}", "_stackgen/repository"):
            answer = registry.request("DELETE", f"/v2/a/{path}")
            assert (answer.status, json.loads(answer.body)["errors"][0]["code"]) == (405, "UNSUPPORTED")
        assert registry.request("GET", "/v2/a/manifests/1").status == 200
        assert registry.request("GET", f"/v2/a/blobs/{digest(EMPTY)}").status == 200


def test_a_blob_deleted_in_one_repository_is_not_read_there_by_way_of_another(registry):
    """Deleted in A: 404 in A, also after somebody asked for it in B, which has it."""
    content = b"deleted in one"
    for repository in ("del/a", "del/b"):
        assert (
            registry.request("POST", f"/v2/{repository}/blobs/uploads/?digest={digest(content)}", body=content).status
            == 201
        )
    assert registry.request("DELETE", f"/v2/del/a/blobs/{digest(content)}").status == 202
    assert registry.request("HEAD", f"/v2/del/b/blobs/{digest(content)}").status == 200
    assert registry.request("GET", f"/v2/del/a/blobs/{digest(content)}").status == 404


def confused(**changes) -> bytes:
    """An image with something that does not belong in it."""
    return encoded({**json.loads(image()), **changes})


@pytest.mark.parametrize(
    "body",
    [
        confused(manifests=[]),
        confused(mediaType="application/vnd.oci.image.index.v1+json"),
        confused(config=None),
        confused(layers=[{"mediaType": "a/b", "digest": "sha256:zz", "size": 1}]),
        confused(layers=[{"mediaType": "a/b", "digest": digest(b""), "size": -1}]),
        confused(layers=[{"mediaType": "a/b", "digest": digest(b""), "size": True}]),
        b'{"schemaVersion":2,"schemaVersion":2}',
        b"[" * 100000,
        b'{"a":' * 50000,
        b"\xff\xfe",
        b"null",
        b"",
        b'{"schemaVersion": 1e999999}',
    ],
)
def test_confusing_manifests_are_refused(registry, body):
    """400 MANIFEST_INVALID, JSON depth bombs included."""
    answer = registry.request("PUT", "/v2/a/manifests/confused", body=body, headers={"Content-Type": OCI_MANIFEST})
    assert (answer.status, json.loads(answer.body)["errors"][0]["code"]) == (400, "MANIFEST_INVALID")


def test_an_answer_reaches_a_client_that_is_still_sending(tmp_path):
    """A refusal is read by a client that sends a large body first: 9 of 9, as Go's clients do it."""
    with start_registry(tmp_path, users={"alice": "secret"}) as registry:
        for size in (1_000, 100_000, 3_000_000) * 3:
            answer = registry.request("PUT", "/v2/a/manifests/1", body=b"x" * size, auth=False)
            assert answer.status == 401


def test_an_upload_belongs_to_who_started_it(tmp_path):
    """Another user, who may push to the same repository, neither sees it nor ends it; it stays as it is."""
    with start_registry(
        tmp_path, users={"alice": "secret", "bob": "other"}, config={"stackgen": {"workers": 1}}
    ) as registry:
        location = registry.request("POST", "/v2/a/blobs/uploads/")["Location"]
        assert registry.request("PATCH", location, body=EMPTY).status == 202
        bob = {"Authorization": "Basic " + b64encode(b"bob:other").decode()}
        for method, path in (
            ("GET", location),
            ("PATCH", location),
            ("PUT", f"{location}&digest={digest(EMPTY)}"),
            ("DELETE", location),
        ):
            answer = registry.request(method, path, headers=bob)
            assert (answer.status, json.loads(answer.body)["errors"][0]["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")
        assert registry.request("PUT", f"{location}&digest={digest(EMPTY)}").status == 201


def test_a_client_that_stops_sending_frees_its_thread(registry):
    """After the patience of the service the upload can be gone on with, from where it stands."""
    location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    with closing(socket.create_connection(("127.0.0.1", registry.port), timeout=10)) as client:
        client.sendall(head("PATCH", location, "Content-Length: 1000") + b"x" * 10)
        start = time.monotonic()
        assert statuses(client.recv(65536)) in ([], [400])
        assert time.monotonic() - start < 8
        start = time.monotonic()
        assert registry.request("GET", location)["Range"] == "0-9"
        assert time.monotonic() - start < 1, "others wait for a client that does not close"
    assert registry.request("PATCH", location, body=b"y", headers={"Content-Range": "10-10"}).status == 202


METHODS = [
    b"GET",
    b"HEAD",
    b"PUT",
    b"POST",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"get",
    b"\x00",
    b"G T",
]
PIECES = [
    b"/v2/", b"a", b"/", b"..", b"%2f", b"%00", b"blobs/", b"uploads/", b"manifests/", b"tags/list", b"referrers/", b"_catalog",
    b"sha256:", b"0" * 64, b"?n=", b"-1", b"99999999999999999999", b"&last=", b"?digest=", b"?mount=", b"&from=", b"#", b"\xff", b" ", b"\\",
    b"http://x/", b"*", b"?_state=", b"?tag=", b"latest",
]  # fmt: skip
HEADERS = [
    b"Content-Length: 5", b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"Range: bytes=0-0,1-1", b"Range: bytes=-",
    b"Range: bytes=99999999999999999999-", b"Content-Range: 0-4", b"Content-Range: x", b"Authorization: Basic Og==", b"Authorization: \xff",
    b"If-None-Match: *", b"Expect: 100-continue", b"Expect: x", b"Connection: upgrade", b"Upgrade: h2c", b"Host: a", b"Host: \xff", b": x",
    b"X" * 9000 + b": y", b"Accept: " + b"," * 4000, b"Content-Type: " + OCI_MANIFEST.encode(), b"X-Request-Id: \x1b[31m", b"Cookie: a=b",
]  # fmt: skip
BODIES = [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"{}", b"\x00" * 100, b"[" * 5000]


def malformed(rng: random.Random) -> bytes:
    """A request that may be anything."""
    path = b"".join(rng.choices(PIECES, k=rng.randint(1, 7)))
    lines = [
        b" ".join(
            [
                rng.choice(METHODS),
                b"/" + path if rng.random() < 0.8 else path,
                rng.choice([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/9.9", b""]),
            ]
        )
    ]
    lines += [b"Host: x"] * (rng.random() < 0.9) + rng.sample(HEADERS, k=rng.randint(0, 3)) + [b"Connection: close"]
    request = b"\r\n".join([*lines, b"", b""]) + rng.choice(BODIES)
    if rng.random() < 0.2:
        place = rng.randrange(len(request))
        request = request[:place] + bytes([rng.randrange(256)]) + request[place + rng.randint(0, 3) :]
    return request


def fuzz(registry, count: int, seed: int) -> None:
    """Sends malformed requests, and looks for server errors after each."""
    rng = random.Random(seed)
    for number in range(count):
        request = malformed(rng)
        for status in statuses(raw(registry, request, patience=4)):
            assert status < 500 or status in {501, 505}, f"seed {seed}, request {number}: {request!r}"
    assert registry.request("GET", "/healthz").status == 200
    log = registry.log.read_text()
    assert "Traceback" not in log
    assert log.count("Booting worker") == 1


def test_malformed_requests_are_never_a_server_error(registry):
    """A hundred of them in every run."""
    fuzz(registry, 100, seed=int(hashlib.sha256(b"short").hexdigest()[:8], 16))


@pytest.mark.slow
def test_twenty_thousand_malformed_requests_are_never_a_server_error(registry):
    """0 server errors, 0 tracebacks, 0 dead workers."""
    fuzz(registry, 20_000, seed=random.randrange(1 << 30))
