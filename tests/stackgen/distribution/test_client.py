"""The client against a real registry: Debian's docker-registry, with users, plain on loopback and over TLS."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository
from stackgen.distribution.addresses import parse_oci_address
from stackgen.distribution.blobs import blob_of
from stackgen.distribution.client import RegistryClient
from stackgen.distribution.logins import Login
from stackgen.distribution.transport import Transport
from stackgen.errors import StackgenError

ACME = Repository.parse("acme/stack")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def push_small_image(client, *, tag, content=b"{}"):
    """A manifest with a config and no layers under a tag; gives its digest."""
    config = blob_of(content, media_type="application/vnd.oci.image.config.v1+json")
    client.push_blob(ACME, config)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": []}
    return client.push_manifest(ACME, tag, json.dumps(manifest).encode(), media_type=MANIFEST)


def test_what_is_pushed_under_a_tag_resolves_to_its_digest_and_reads_back(registry):
    """Push, resolve and read agree on bytes and digest."""
    client = registry.client()
    digest = push_small_image(client, tag="1.0")
    address = parse_oci_address(f"oci://{registry.host}/acme/stack:1.0")
    assert client.resolve(address) == digest
    manifest = client.read_manifest(address.pinned(digest))
    assert (manifest.digest, manifest.media_type) == (digest, MANIFEST)
    assert client.read_blob(ACME, Digest.of(b"{}"), size=2) == b"{}"


def test_no_proxy_is_asked_for_this_machine_itself(registry, monkeypatch):
    """As with docker and Compose: a proxy would look for `localhost` on its own side."""
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    digest = push_small_image(registry.client(), tag="near")
    assert registry.client().resolve(parse_oci_address(f"oci://{registry.host}/acme/stack:near")) == digest
    with pytest.raises(StackgenError, match=r"nothing listens|can't be reached"):
        RegistryClient("registry.example.com", transport=Transport(), sleep=lambda _: None).resolve(
            parse_oci_address("oci://registry.example.com/acme/stack:1")
        )


def test_an_unknown_tag_resolves_to_nothing(registry):
    """Not there is an answer of its own, no error."""
    assert registry.client().resolve(parse_oci_address(f"oci://{registry.host}/acme/stack:none")) is None


def test_a_blob_is_sent_once(registry):
    """The second push of the same bytes sends nothing."""
    blob = blob_of(os.urandom(3_000_000), media_type="application/octet-stream")
    assert registry.client().push_blob(ACME, blob) is True
    assert registry.client().push_blob(ACME, blob) is False


@pytest.mark.parametrize("login", [None, Login(user="alice", password="wrong")])
def test_a_missing_or_wrong_login_names_the_command_to_type(registry, login):
    """401 becomes `docker login HOST`."""
    with pytest.raises(StackgenError, match="login") as caught:
        push_small_image(registry.client(login), tag="no")
    assert caught.value.hint == f"docker login {registry.host}"


def test_an_untrusted_certificate_names_the_option(tls_registry):
    """Without --ca the refusal says which option gives the CA."""
    client = RegistryClient(tls_registry.host, transport=Transport())
    with pytest.raises(StackgenError, match="not trusted") as caught:
        client.resolve(parse_oci_address(f"oci://{tls_registry.host}/acme/stack:1"))
    assert "--ca" in caught.value.hint


def test_tls_against_a_plain_registry_names_the_option(plain_registry):
    """A loopback registry without TLS is told apart from a broken one."""
    client = RegistryClient(plain_registry.host, transport=Transport())
    with pytest.raises(StackgenError, match="plain HTTP") as caught:
        client.resolve(parse_oci_address(f"oci://{plain_registry.host}/acme/stack:1"))
    assert caught.value.hint == "--plain-http"


def test_plain_http_is_for_loopback_alone():
    """A password never crosses a network in clear."""
    with pytest.raises(StackgenError, match="not this machine"):
        RegistryClient("registry.example.com", transport=Transport(), plain_http=True)


@pytest.mark.parametrize(
    ("host", "words"), [("127.0.0.1:1", "nothing listens"), ("no-such-host.invalid", "can't be resolved")]
)
def test_a_host_that_can_not_be_reached_is_named_with_a_remedy(host, words):
    """Connection and name failures read differently."""
    client = RegistryClient(host, transport=Transport(), sleep=lambda _: None)
    with pytest.raises(StackgenError, match=words) as caught:
        client.resolve(parse_oci_address(f"oci://{host}/a/b"))
    assert caught.value.hint


def test_bytes_that_do_not_match_their_digest_are_refused(registry):
    """A registry whose disk was changed is not believed."""
    blob = blob_of(b"as it was written", media_type="text/plain")
    registry.client().push_blob(ACME, blob)
    data = registry.root / "docker/registry/v2/blobs/sha256" / blob.digest.hex[:2] / blob.digest.hex / "data"
    data.write_bytes(b"as it was changed")
    with pytest.raises(StackgenError, match="has the digest"):
        registry.client().read_blob(ACME, blob.digest, size=blob.size)


@contextmanager
def proxy_that_cuts(host, *, after):
    """A TCP relay on loopback that breaks the first connection carrying a PATCH once `after` bytes went through."""
    name, _, port = host.rpartition(":")
    cuts = []

    class Relay(socketserver.BaseRequestHandler):
        def handle(self):
            import socket

            with socket.create_connection((name, int(port))) as upstream:
                back = threading.Thread(target=self.back, args=(upstream,))
                back.start()
                sent, patch = 0, False
                while data := self.request.recv(65536):
                    patch = patch or data.startswith(b"PATCH")
                    if patch and not cuts and sent + len(data) > after:
                        upstream.sendall(data[: after - sent])
                        cuts.append(after)
                        break
                    upstream.sendall(data)
                    sent += len(data)
                upstream.shutdown(socket.SHUT_WR)
                back.join()

        def back(self, upstream):
            try:
                while data := upstream.recv(65536):
                    self.request.sendall(data)
            except OSError:
                pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", cuts
        server.shutdown()


def test_an_upload_whose_line_breaks_arrives_whole(plain_registry):
    """A cut in the middle of a layer is taken up again, and the digest holds."""
    blob = blob_of(os.urandom(8_000_000), media_type="application/octet-stream")
    with proxy_that_cuts(plain_registry.host, after=5_000_000) as (host, cuts):
        client = RegistryClient(
            host, transport=Transport(seconds=10), login=plain_registry.login, plain_http=True, sleep=lambda _: None
        )
        assert client.push_blob(ACME, blob) is True
    assert cuts == [5_000_000]
    assert plain_registry.client().read_blob(ACME, blob.digest, size=blob.size) == blob.content


@contextmanager
def http_service(respond):
    """A small HTTP service on loopback: `respond(handler)` answers; gives its host and the list of requests."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            seen.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            respond(self)

        do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 - the library's names

        def log_message(self, *args):
            pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()


def reply(handler, status, headers=None, body=b""):
    """One answer, without a body to HEAD."""
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body if handler.command != "HEAD" else b"")


@pytest.mark.parametrize("login", [Login(user="alice", password="pw"), Login(identity_token="long-lived")])
def test_a_bearer_challenge_is_answered_with_a_token_of_its_realm(login):
    """The token protocol: challenge, realm with service and scope, then the token on the request itself."""
    digest = Digest.of(b"x")

    def respond(handler):
        if handler.path.startswith("/token"):
            reply(handler, 200, body=b'{"token": "short-lived"}')
        elif handler.headers.get("Authorization") == "Bearer short-lived":
            reply(handler, 200, {"Docker-Content-Digest": str(digest)})
        else:
            realm = f'Bearer realm="http://{handler.headers["Host"]}/token",service="reg",scope="repository:a/b:pull"'
            reply(handler, 401, {"WWW-Authenticate": realm})

    with http_service(respond) as (host, seen):
        client = RegistryClient(host, transport=Transport(), login=login, plain_http=True)
        assert client.resolve(parse_oci_address(f"oci://{host}/a/b:1")) == digest
    method, path, headers, body = seen[1]
    if login.identity_token:
        assert method == "POST"
        assert b"refresh_token=long-lived" in body
    else:
        assert headers["Authorization"] == login.basic
        assert path == "/token?service=reg&scope=repository%3Aa%2Fb%3Apull"


NOWHERE = [
    "http://[bad/x",
    "https://" + "a" * 64 + "/",
    "https://h:99999/x",
    "file:///etc/passwd",
    "https://a b/",
    "\xff",
]


@pytest.mark.parametrize("place", NOWHERE)
@pytest.mark.parametrize("kind", ["redirect", "upload", "token"])
def test_an_address_that_can_not_be_dialled_is_a_refusal(kind, place):
    """What a strange registry sends is no bug of ours."""

    def respond(handler):
        if kind == "token":
            reply(handler, 401, {"WWW-Authenticate": f'Bearer realm="{place}"'})
        elif handler.command == "HEAD":
            reply(handler, 307 if kind == "redirect" else 404, {"Location": place})
        else:
            reply(handler, 202, {"Location": place})

    with http_service(respond) as (host, _):
        client = RegistryClient(host, transport=Transport(), plain_http=True, sleep=lambda _: None)
        with pytest.raises(StackgenError, match="which is no address"):
            client.push_blob(ACME, blob_of(b"x", media_type="text/plain"))


@pytest.mark.parametrize("token", [b'"a\\nb"', b"5", b'"\\u00ff"', b"null", b"[" * 20_000])
def test_a_token_that_is_none_is_a_refusal(token):
    """It would stand in a header."""

    def respond(handler):
        if handler.path.startswith("/token"):
            reply(handler, 200, body=b'{"token": ' + token + b', "access_token": ' + token + b"}")
        else:
            reply(handler, 401, {"WWW-Authenticate": f'Bearer realm="http://{handler.headers["Host"]}/token"'})

    with http_service(respond) as (host, _):
        client = RegistryClient(host, transport=Transport(), plain_http=True)
        with pytest.raises(StackgenError, match="gave no token"):
            client.resolve(parse_oci_address(f"oci://{host}/a/b:1"))


def test_a_token_service_that_hangs_up_is_named():
    """With what to do: it was the line, perhaps."""

    def respond(handler):
        if not handler.path.startswith("/token"):
            reply(handler, 401, {"WWW-Authenticate": f'Bearer realm="http://{handler.headers["Host"]}/token"'})

    with http_service(respond) as (host, _):
        client = RegistryClient(host, transport=Transport(), plain_http=True, sleep=lambda _: None)
        with pytest.raises(StackgenError, match="tokens, broke"):
            client.resolve(parse_oci_address(f"oci://{host}/a/b:1"))


def test_a_redirect_to_another_host_does_not_carry_the_login():
    """Blob storage elsewhere sees no Authorization."""
    with http_service(lambda handler: reply(handler, 200, body=b"blob")) as (store, at_store):

        def respond(handler):
            if "Authorization" in handler.headers:
                reply(handler, 307, {"Location": f"http://{store}/data"})
            else:
                reply(handler, 401, {"WWW-Authenticate": 'Basic realm="r"'})

        with http_service(respond) as (host, _):
            client = RegistryClient(host, transport=Transport(), login=Login(user="a", password="b"), plain_http=True)
            assert client.read_blob(ACME, Digest.of(b"blob"), size=4) == b"blob"
    assert [headers.get("Authorization") for _, _, headers, _ in at_store] == [None]


def test_a_registry_that_is_busy_is_asked_again_after_the_time_it_names():
    """429 with Retry-After waits as told."""
    waits = []
    answers = [(429, {"Retry-After": "7"}), (503, {}), (200, {"Docker-Content-Digest": str(Digest.of(b"x"))})]
    with http_service(lambda handler: reply(handler, *answers.pop(0))) as (host, _):
        client = RegistryClient(host, transport=Transport(), plain_http=True, sleep=waits.append)
        assert client.resolve(parse_oci_address(f"oci://{host}/a/b:1")) == Digest.of(b"x")
    assert waits == [7.0, 1.0]


@pytest.mark.parametrize(
    ("status", "words"), [(403, "denies"), (507, "has no room"), (413, "too large"), (418, "answered 418")]
)
def test_a_refusal_carries_the_registrys_own_words_and_a_remedy(status, words):
    """Every status a registry refuses with becomes a sentence and a way out."""
    body = b'{"errors": [{"code": "SOME_CODE", "message": "its own words"}]}'
    with http_service(lambda handler: reply(handler, status, body=body)) as (host, _):
        client = RegistryClient(host, transport=Transport(), plain_http=True)
        with pytest.raises(StackgenError, match=f"{words}.*its own words") as caught:
            client.push_manifest(ACME, "1", b"{}", media_type=MANIFEST)
    assert caught.value.hint


@pytest.mark.parametrize("body", [b"<html>", b"5", b"[" * 20_000])
def test_a_refusal_without_words_that_can_be_read_has_those_of_http(body):
    """Of a proxy in between, say."""
    with http_service(lambda handler: reply(handler, 403, body=body)) as (host, _):
        client = RegistryClient(host, transport=Transport(), plain_http=True)
        with pytest.raises(StackgenError, match=r"denies.*Forbidden"):
            client.push_manifest(ACME, "1", b"{}", media_type=MANIFEST)


def test_digests_of_both_algorithms_are_checked(registry):
    """A reference by a digest that the content does not have is refused."""
    client = registry.client()
    push_small_image(client, tag="2.0")
    other = Digest.parse("sha256:" + "0" * 64)
    address = parse_oci_address(f"oci://{registry.host}/acme/stack@{other}")
    with pytest.raises(StackgenError, match="not there"):
        client.read_manifest(address)
