"""A blob sent by nginx and one sent by the service itself are the same to a client: one table against both."""

from __future__ import annotations

import email
import json
import os
from dataclasses import replace
from email.utils import formatdate

import pytest

from tests.registry_app.nginx import nginx_in_front
from tests.registry_app.test_protocol import digest
from tests.serving import start_registry

CONTENT = os.urandom(300_000)
DIGEST = digest(CONTENT)
BLOB = f"/v2/team/app/blobs/{DIGEST}"
# Of `http.headers`, what a browser asks for before it shows a page of another origin what a blob holds.
HEADERS = {
    "Access-Control-Allow-Credentials": ["true"],
    "Access-Control-Allow-Origin": ["https://ui.example.com"],
    "Access-Control-Expose-Headers": ["Docker-Content-Digest"],
    "X-Content-Type-Options": ["nosniff"],
}
COMPARED = [
    "Content-Type",
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "ETag",
    "Last-Modified",
    "Cache-Control",
    "Docker-Content-Digest",
    "Docker-Distribution-API-Version",
    "Content-Encoding",
    *HEADERS,
    "X-Accel-Redirect",
    "WWW-Authenticate",
]
CASES = {
    "whole": ("GET", BLOB, {}),
    "HEAD": ("HEAD", BLOB, {}),
    "HEAD with a range": ("HEAD", BLOB, {"Range": "bytes=0-9"}),
    "a client that takes gzip": ("GET", BLOB, {"Accept-Encoding": "zstd,gzip"}),
    "first bytes": ("GET", BLOB, {"Range": "bytes=0-99"}),
    "one byte": ("GET", BLOB, {"Range": "bytes=7-7"}),
    "middle": ("GET", BLOB, {"Range": "bytes=1000-1999"}),
    "rest": ("GET", BLOB, {"Range": "bytes=299000-"}),
    "suffix": ("GET", BLOB, {"Range": "bytes=-500"}),
    "suffix longer than all": ("GET", BLOB, {"Range": "bytes=-999999"}),
    "beyond the end": ("GET", BLOB, {"Range": "bytes=299999-400000"}),
    "behind the end": ("GET", BLOB, {"Range": "bytes=300000-"}),
    "far behind the end": ("GET", BLOB, {"Range": "bytes=400000-400001"}),
    "backwards": ("GET", BLOB, {"Range": "bytes=9-1"}),
    "another unit": ("GET", BLOB, {"Range": "lines=1-2"}),
    "nonsense": ("GET", BLOB, {"Range": "bytes=a-b"}),
    "two parts": ("GET", BLOB, {"Range": "bytes=0-99,200-299"}),
    "three parts with a suffix": ("GET", BLOB, {"Range": "bytes=0-0,500-599,-1"}),
    "parts of which one is behind the end": ("GET", BLOB, {"Range": "bytes=0-9,300000-300009"}),
    "more than there is": ("GET", BLOB, {"Range": "bytes=0-299999,0-299999"}),
    "empty elements": ("GET", BLOB, {"Range": "bytes=,0-9,,20-29,"}),
    "tabs": ("GET", BLOB, {"Range": "bytes=0-9\t,\t20-29"}),
    "spaces": ("GET", BLOB, {"Range": "bytes= 0-9 , 20-29 "}),
    "a space before the sign": ("GET", BLOB, {"Range": "bytes =0-9"}),
    "capitals": ("GET", BLOB, {"Range": "BYTES=0-9"}),
    "an end of twenty digits": ("GET", BLOB, {"Range": "bytes=0-" + "9" * 20}),
    "an end of 2^63": ("GET", BLOB, {"Range": f"bytes=0-{1 << 63}"}),
    "a suffix of 2^63": ("GET", BLOB, {"Range": f"bytes=-{1 << 63}"}),
    "noughts in front": ("GET", BLOB, {"Range": f"bytes={'0' * 30}1-{'0' * 30}9"}),
    "noughts in front of a suffix": ("GET", BLOB, {"Range": f"bytes=-{'0' * 30}9"}),
    "known": ("GET", BLOB, {"If-None-Match": f'"{DIGEST}"'}),
    "known, unquoted": ("GET", BLOB, {"If-None-Match": DIGEST}),
    "known, by HEAD": ("HEAD", BLOB, {"If-None-Match": f'"{DIGEST}"'}),
    "unknown tag": ("GET", BLOB, {"If-None-Match": '"x"'}),
    "if-range that holds": ("GET", BLOB, {"Range": "bytes=0-9", "If-Range": f'"{DIGEST}"'}),
    "if-range that does not hold": ("GET", BLOB, {"Range": "bytes=0-9", "If-Range": '"x"'}),
    "a date": ("GET", BLOB, {"If-Modified-Since": formatdate(4102444800, usegmt=True)}),
    "an old date": ("GET", BLOB, {"If-Unmodified-Since": formatdate(0, usegmt=True)}),
    "if-match": ("GET", BLOB, {"If-Match": f'"{DIGEST}"'}),
    "if-range that is empty": ("GET", BLOB, {"Range": "bytes=0-9", "If-Range": ""}),
    "if-match that is empty": ("GET", BLOB, {"If-Match": ""}),
    "a date that is empty": ("GET", BLOB, {"If-Unmodified-Since": ""}),
    "missing": ("GET", BLOB.replace(DIGEST, digest(b"missing")), {}),
    "elsewhere": ("GET", BLOB.replace("team/app", "team/other"), {}),
    "invalid": ("GET", BLOB.replace(DIGEST, "sha256:x"), {}),
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same tree behind a service alone, and behind one whose nginx sends the blobs."""
    folder = tmp_path_factory.mktemp("sending")
    plain = {"http": {"headers": HEADERS}, "stackgen": {"workers": 1}}
    fast = {**plain, "stackgen": {"workers": 1, "accel_redirect": "/_blobs/", "trusted_proxies": ["127.0.0.0/8"]}}
    users = {"alice": "secret"}
    with (
        start_registry(folder / "alone", users=users, config=plain) as alone,
        start_registry(folder / "behind", users=users, config=fast, root=alone.root) as behind,
        nginx_in_front(behind, folder / "nginx") as front,
    ):
        assert alone.request("POST", f"/v2/team/app/blobs/uploads/?digest={DIGEST}", body=CONTENT).status == 201
        yield alone, front, behind


def parts_of(answer) -> list[tuple[str, str, bytes]]:
    """The parts of a multipart answer."""
    text = b"Content-Type: " + answer["Content-Type"].encode() + b"\r\n\r\n" + answer.body
    message = email.message_from_bytes(text)
    return [
        (part["Content-Type"], part["Content-Range"], part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    ]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("login", [True, False], ids=["user", "stranger"])
def test_both_ways_answer_the_same(both, case, login):
    """Status, headers and bytes; those of the configuration among them."""
    method, path, headers = CASES[case]
    alone, front = (registry.request(method, path, headers=headers, auth=login) for registry in both[:2])
    assert front.status == alone.status
    shown = [{name: answer.headers.get_all(name) for name in COMPARED} for answer in (alone, front)]
    if (alone["Content-Type"] or "").startswith("multipart/"):
        assert parts_of(front) == parts_of(alone)
        assert len(front.body) == int(front["Content-Length"])
        for headers_shown in shown:
            del headers_shown["Content-Type"], headers_shown["Content-Length"]
    else:
        assert front.body == alone.body
    assert shown[1] == shown[0]
    assert {name: [alone[name]] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("case", CASES)
def test_the_registry_knows_how_it_ended(both, case):
    """The status that its log and its metrics tell of is the one that the client got."""
    method, path, headers = CASES[case]
    alone, behind = (registry.request(method, path, headers=headers) for registry in (both[0], both[2]))
    assert behind.status == alone.status


def test_nginx_really_sends_the_blob(both):
    """The service names the file and sends no byte of it; a stranger hears nothing of it."""
    _alone, front, behind = both
    inner = behind.request("GET", BLOB)
    assert (inner["X-Accel-Redirect"], inner.body) == (f"/_blobs/sha256/{DIGEST[7:9]}/{DIGEST[7:]}/data", b"")
    assert front.request("GET", BLOB)["X-Accel-Redirect"] is None
    assert behind.request("GET", BLOB, auth=False)["X-Accel-Redirect"] is None


@pytest.fixture
def bereft(both, tmp_path):
    """The same service behind an nginx that looks for the files in another folder, and the blob's place there."""
    behind = replace(both[2], root=tmp_path)
    place = tmp_path / f"docker/registry/v2/blobs/sha256/{DIGEST[7:9]}/{DIGEST[7:]}/data"
    place.parent.mkdir(parents=True)
    with nginx_in_front(behind, tmp_path / "nginx") as front:
        yield front, place


@pytest.mark.parametrize("wanted", [{}, {"Range": "bytes=0-9"}, {"Range": "bytes=0-9,20-29"}])
def test_a_blob_that_goes_before_nginx_opens_it_is_told_as_the_registry_tells_it(both, bereft, wanted):
    """404 in OCI's words, with the headers of every answer, and nothing that lets a client keep it for a year."""
    gone = bereft[0].request("GET", BLOB, headers=wanted)
    missing = both[0].request("GET", BLOB.replace(DIGEST, digest(b"missing")))
    assert (gone.status, gone.body) == (404, missing.body.replace(digest(b"missing").encode(), DIGEST.encode()))
    names = [name for name in COMPARED if name != "Accept-Ranges"]  # true of both, and said where a range was asked for
    shown = [{name: answer.headers.get_all(name) for name in names} for answer in (gone, missing)]
    assert shown[0] == shown[1]


def test_a_file_that_nginx_can_not_open_is_an_error_that_says_so(bereft):
    """503 and when to come back; not the 403 that clients take for a wrong password."""
    front, place = bereft
    place.symlink_to(place)
    answer = front.request("GET", BLOB)
    (error,) = json.loads(answer.body)["errors"]
    assert (answer.status, error["code"], answer["Content-Type"]) == (503, "UNAVAILABLE", "application/json")
    assert (answer["Retry-After"], answer["Cache-Control"]) == ("30", None)


def test_the_internal_location_is_not_reached_from_outside(both):
    """Whoever knows the digest and the layout gets nothing by them."""
    front = both[1]
    for path in (f"/_blobs/sha256/{DIGEST[7:9]}/{DIGEST[7:]}/data", "/_blobs/", "/_blobs/../_blobs/", "//_blobs/"):
        assert front.request("GET", path).status == 404
