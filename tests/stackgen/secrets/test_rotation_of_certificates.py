"""`stackgen rotate tls` and `ca`: both generations, the way back, and what clients believe."""

from __future__ import annotations

import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from registry_app import issuing
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.rotation import journal
from stackgen.rotation.certificates import plan_authority, plan_leaf
from stackgen.rotation.generations import serving_pair
from tests.serving import free_port
from tests.stackgen.secrets.rotating import HOST, assert_works, chain, now


def verifies(folder, trusted: bytes) -> bool:
    """Whether OpenSSL, which trusts this authority alone, believes the chain."""
    leaf = folder.root / "leaf.pem"
    leaf.write_bytes((folder.root / "certs/fullchain.pem").read_bytes())
    (folder.root / "trusted.pem").write_bytes(trusted)
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", "trusted.pem", "-untrusted", "leaf.pem", "-verify_hostname", HOST, "leaf.pem"],
        cwd=folder.root,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_a_new_certificate_has_a_new_key_and_the_way_back_the_old_one(stackgen, folder):
    """Both change together, by one link."""
    before = chain(folder)[0]
    assert "change certs/live" in stackgen("rotate", "tls", "mystack", "--dry-run").stdout
    assert chain(folder)[0] == before
    stackgen("rotate", "tls", "mystack")
    after = chain(folder)[0]
    assert after.public_key() != before.public_key()
    assert_works(folder)
    stackgen("rotate", "tls", "mystack", "--undo")
    assert chain(folder)[0] == before
    assert_works(folder)
    assert "no rotation of tls to undo" in stackgen("rotate", "tls", "mystack", "--undo", code=1).stderr


def test_no_way_leads_back_to_a_certificate_that_clients_would_refuse(stackgen, folder):
    """Of the authority before, for another host, damaged: the person is told what to do instead, and nothing changes."""
    first = chain(folder)[0]
    stackgen("rotate", "ca", "mystack")
    told = stackgen("rotate", "tls", "mystack", "--undo", code=1).stderr
    assert "is of the authority before" in told
    assert "stackgen rotate --undo ca mystack" in told
    assert verifies(folder, (folder.root / "certs/ca.crt").read_bytes())
    stackgen("rotate", "ca", "mystack", "--undo")
    assert chain(folder)[0] == first
    stackgen("rotate", "tls", "mystack")
    folder.env.write_text(folder.env.read_text().replace(HOST, "other.example.com"))
    stackgen("render", "mystack")
    assert "not for other.example.com" in stackgen("rotate", "tls", "mystack", "--undo", code=1).stderr
    assert issuing.covers(chain(folder)[0], "other.example.com")


def test_an_authority_comes_back_while_its_own_certificate_does(stackgen, folder):
    """One rotation of the certificate later that is undone first; two later, the hint is one that works."""
    old = chain(folder)[0]
    stackgen("rotate", "ca", "mystack")
    stackgen("rotate", "tls", "mystack")
    assert "undo that first: stackgen rotate --undo tls" in stackgen("rotate", "ca", "mystack", "--undo", code=1).stderr
    stackgen("rotate", "tls", "mystack")
    assert "instead: stackgen rotate ca mystack" in stackgen("rotate", "ca", "mystack", "--undo", code=1).stderr
    stackgen("rotate", "tls", "mystack", "--undo")
    assert "instead: stackgen rotate ca mystack" in stackgen("rotate", "ca", "mystack", "--undo", code=1).stderr
    stackgen("rotate", "ca", "mystack")
    stackgen("rotate", "ca", "mystack", "--undo")
    assert verifies(folder, (folder.root / "certs/ca.crt").read_bytes())
    assert chain(folder)[0] != old


def test_a_third_authority_ends_the_time_of_the_first_and_that_is_said(stackgen, folder):
    """Before it happens; a way back, or none before it, is no reason."""
    first = (folder.root / "certs/ca.crt").read_bytes()
    assert "with a third" not in stackgen("rotate", "ca", "mystack").stderr
    second = (folder.root / "certs/ca.crt").read_bytes()
    for arguments in (("ca", "mystack", "--dry-run"), ("ca", "mystack")):
        assert verifies(folder, first)
        assert "with a third that ends" in stackgen("rotate", *arguments).stderr
    assert [verifies(folder, one) for one in (first, second)] == [False, True]
    assert "with a third" not in stackgen("rotate", "ca", "mystack", "--undo").stderr


def test_keys_that_no_way_leads_back_to_are_removed(stackgen, folder):
    """An old key is a secret like any other."""
    for _ in range(3):
        stackgen("rotate", "tls", "mystack")
    assert len(list((folder.root / "certs").glob("*generation-*"))) == 2


def test_clients_that_trust_the_old_authority_or_the_new_one_believe_the_certificate(stackgen, folder):
    """The old one vouches for the new one; the next certificate keeps its word."""
    old = (folder.authority / "ca.crt").read_bytes()
    stackgen("rotate", "ca", "mystack")
    new = (folder.root / "certs/ca.crt").read_bytes()
    assert new == (folder.authority / "ca.crt").read_bytes() != old
    assert verifies(folder, old)
    assert verifies(folder, new)
    stackgen("rotate", "tls", "mystack")
    assert verifies(folder, old)
    assert verifies(folder, new)
    stackgen("rotate", "tls", "mystack", "--undo")
    stackgen("rotate", "ca", "mystack", "--undo")
    assert verifies(folder, old)
    assert verifies(folder, new)
    stackgen("rotate", "tls", "mystack")
    assert verifies(folder, old)
    assert verifies(folder, new)
    stackgen("rotate", "ca", "mystack", "--keep-old", "0s")
    new, old = (folder.root / "certs/ca.crt").read_bytes(), new
    assert not verifies(folder, old)
    stackgen("rotate", "ca", "mystack", "--undo")
    assert not verifies(folder, new)
    stackgen("rotate", "ca", "mystack", "--keep-old", "0s")
    assert not verifies(folder, old)
    assert_works(folder)


def test_a_certificate_of_ones_own_is_checked_before_anything_changes(stackgen, folder):
    """Key, host and date, as at init; TLS=local refuses it."""
    authority = issuing.make_authority(now=now())
    good = issuing.issue(authority, [HOST], now=now())
    other = issuing.issue(authority, ["other.example.com"], now=now())
    for name, pair in (("good", good), ("other", other)):
        (folder.root / f"{name}.pem").write_bytes(pair.certificate_pem)
        (folder.root / f"{name}.key").write_bytes(pair.key_pem)

    def rotate(certificate, key, code):
        return stackgen(
            "rotate", "tls", "mystack", "--cert", f"mystack/{certificate}.pem", "--key", f"mystack/{key}.key", code=code
        )

    assert "TLS=local" in rotate("good", "good", 1).stderr
    folder.env.write_text(folder.env.read_text().replace("TLS=local", "TLS=own"))
    before = chain(folder)[0]
    assert "is not the key of" in rotate("good", "other", 1).stderr
    assert "not for registry.example.com" in rotate("other", "other", 1).stderr
    assert "absent.pem is missing" in rotate("absent", "good", 1).stderr
    assert chain(folder)[0] == before
    rotate("good", "good", 0)
    assert chain(folder)[0] == good.certificate
    assert "TLS=own" in stackgen("rotate", "ca", "mystack", code=1).stderr


def test_a_refused_certificate_brings_the_old_one_back(folder, monkeypatch):
    """Nginx said no, or goes on serving the old one: the files agree with what is served."""
    settings = load_settings(folder)

    def refuse(folder, settings):
        raise journal.ReloadError("nginx: [emerg] no")

    for plan in (plan_leaf(folder, settings, now=now()), plan_authority(folder, settings, now=now(), keep_old=60)):
        before, authority = chain(folder)[0], (folder.authority / "ca.crt").read_bytes()
        monkeypatch.setattr(journal, "reload_certificate", refuse)
        with pytest.raises(StackgenError, match="the old one is back"):
            journal.carry_out(folder, settings, plan)
        assert chain(folder)[0] == before
        assert (folder.authority / "ca.crt").read_bytes() == authority == (folder.root / "certs/ca.crt").read_bytes()
        assert not folder.rotation_journal.exists()


@contextmanager
def never_told(folder):
    """A server with the stack's certificate of now, which reads no other; its port is the stack's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder.root / "certs/fullchain.pem", folder.root / "certs/privkey.pem")
    port = free_port()
    folder.env.write_text(f"{folder.env.read_text()}\nHTTPS_PORT={port}\n")
    with ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("first", ["tls", "ca"])
def test_a_stack_whose_engine_does_not_answer_keeps_the_certificate_that_it_serves(
    stackgen, folder, monkeypatch, first
):
    """Nobody can tell its nginx of another: clients that fetch a new authority would be locked out."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    stackgen("rotate", first, "mystack")
    before = [(folder.root / path).read_bytes() for path in ("certs/fullchain.pem", "certs/ca.crt", "ca/ca.crt")]
    with never_told(folder):
        for what in (("tls",), ("ca",), (first, "--undo")):
            told = stackgen("rotate", *what, "mystack", code=1).stderr
            assert "can't be told of a new certificate" in told
            assert "the old one is back in force" in told
            after = [(folder.root / path).read_bytes() for path in ("certs/fullchain.pem", "certs/ca.crt", "ca/ca.crt")]
            assert after == before
            assert_works(folder)
    stackgen("rotate", "ca", "mystack")
    assert chain(folder)[0].public_bytes(Encoding.PEM) not in before[0]


def test_no_way_leads_back_over_a_certificate_that_was_put_there_by_hand(stackgen, folder):
    """To change the link behind it would change nothing; that is said."""
    stackgen("rotate", "tls", "mystack")
    place = folder.root / "certs/fullchain.pem"
    text = place.read_bytes()
    place.unlink()
    place.write_bytes(text)
    assert "was replaced by hand" in stackgen("rotate", "tls", "mystack", "--undo", code=1).stderr
    stackgen("rotate", "tls", "mystack")
    stackgen("rotate", "tls", "mystack", "--undo")
    assert place.read_bytes() == text


def test_render_for_another_host_changes_key_and_certificate_together(stackgen, folder):
    """Also after a rotation, when both are links."""
    stackgen("rotate", "tls", "mystack")
    folder.env.write_text(folder.env.read_text().replace(HOST, "other.example.com"))
    stackgen("render", "mystack")
    assert issuing.covers(chain(folder)[0], "other.example.com")
    assert issuing.is_pair(chain(folder)[0], (folder.root / "certs/privkey.pem").read_bytes())
    assert serving_pair(folder, load_settings(folder)).in_force(folder.root) is not None
