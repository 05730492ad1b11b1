"""Sockets that hold the head of an answer back until its body follows."""

from __future__ import annotations

import select
import socket
import threading

import pytest

from registry_app.sockets import JOINED_BYTES, LARGE, ClientSilentError, PatientSocket


@pytest.fixture
def pair():
    """A patient socket and the plain one at the other end, which keeps the borders between pieces."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    patient = PatientSocket(ours.family, ours.type, ours.proto, fileno=ours.detach())
    theirs.settimeout(2)
    yield patient, theirs
    patient.close()
    theirs.close()


def test_head_and_body_leave_in_one_piece(pair):
    """The reader wakes up once."""
    ours, theirs = pair
    ours.hold()
    ours.sendall(b"head ")
    ours.sendall(b"body")
    assert theirs.recv(100) == b"head body"
    ours.sendall(b"more")
    assert theirs.recv(100) == b"more"


def test_a_head_without_a_body_leaves_when_the_answer_ends(pair):
    """HEAD and 204 have no second piece."""
    ours, theirs = pair
    ours.hold()
    ours.sendall(b"head")
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(100)
    ours.release()
    assert theirs.recv(100) == b"head"


def test_a_large_piece_is_not_copied(pair):
    """The head goes first, then the piece as it is."""
    ours, theirs = pair
    ours.hold()
    ours.sendall(b"head")
    ours.sendall(b"x" * (JOINED_BYTES + 1))
    assert theirs.recv(100) == b"head"
    assert len(theirs.recv(2 * JOINED_BYTES)) == JOINED_BYTES + 1


def test_nothing_is_held_unless_asked_for(pair):
    """And nothing is sent twice."""
    ours, theirs = pair
    ours.sendall(b"one")
    ours.release()
    ours.sendall(b"two")
    assert (theirs.recv(100), theirs.recv(100)) == (b"one", b"two")


def test_a_file_follows_what_is_held(tmp_path):
    """Sendfile bypasses sendall, and must not overtake it."""
    (tmp_path / "file").write_bytes(b"body")
    ours, theirs = socket.socketpair()
    with theirs, PatientSocket(ours.family, ours.type, ours.proto, fileno=ours.detach()) as patient:
        patient.hold()
        patient.sendall(b"head ")
        with (tmp_path / "file").open("rb") as file:
            patient.sendfile(file)
        patient.close()
        assert theirs.makefile("rb").read() == b"head body"


def test_a_silent_client_is_given_up(pair, monkeypatch):
    """Blocking means for `patience` seconds."""
    monkeypatch.setattr("registry_app.sockets.Patience.patience", 0.05)
    ours, _ = pair
    ours.setblocking(True)
    with pytest.raises(ClientSilentError):
        ours.recv(1)


@pytest.fixture
def connection(monkeypatch):
    """A patient socket of a TCP connection, and the client's end."""
    monkeypatch.setattr("registry_app.sockets.Patience.patience", 5.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname(), timeout=5)
        accepted, _ = server.accept()
    patient = PatientSocket(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
    with client, patient:
        patient.setblocking(True)
        yield patient, client


@pytest.fixture
def wide(connection):
    """The same after some megabytes, when the kernel has room for large pieces and no longer wakes anybody for want of it."""
    ours, client = connection
    sender = threading.Thread(target=client.sendall, args=(b"x" * (32 * LARGE),))
    sender.start()
    left = 32 * LARGE
    while left:
        left -= len(ours.receive(min(left, 4 * LARGE)))
    sender.join()
    ours.release()
    return ours, client


def is_readable(sock) -> bool:
    """Whether a poll tells of it within a moment."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(100))


def test_a_large_body_is_received_in_large_pieces(connection):
    """However small the packets are in which it comes; its end is not waited for."""
    ours, client = connection
    data = bytes(range(256)) * (3 * LARGE // 256) + b"end"

    def send():
        for start in range(0, len(data), 5000):
            client.sendall(data[start : start + 5000])

    sender = threading.Thread(target=send)
    sender.start()
    pieces = []
    while left := len(data) - sum(map(len, pieces)):
        pieces.append(ours.receive(min(left, 4 * LARGE)))
    sender.join()
    assert b"".join(pieces) == data
    assert len(pieces) < len(data) / 5000 / 4  # small buffers may make it more than four


def test_the_rest_of_a_body_wakes_who_received_its_beginning(wide):
    """Also where the rest alone is less than what a large piece is waited for."""
    ours, client = wide
    size, begun = LARGE + 1000, LARGE // 2
    client.sendall(b"x" * begun)
    pieces = []

    def receive():
        while left := size - sum(map(len, pieces)):
            pieces.append(ours.receive(left))

    receiver = threading.Thread(target=receive)
    receiver.start()
    receiver.join(0.2)  # it waits
    client.sendall(b"x" * (size - begun))
    receiver.join(2)
    assert not receiver.is_alive()
    assert sum(map(len, pieces)) == size


def test_after_an_answer_one_byte_wakes_who_waits_for_the_next_request(wide):
    """Whatever was left of a body."""
    ours, client = wide
    client.sendall(b"x" * LARGE)
    assert len(ours.receive(LARGE)) == LARGE
    client.sendall(b"G")
    assert not is_readable(ours)
    ours.release()
    assert is_readable(ours)
    assert ours.recv(1) == b"G"


def test_a_client_that_pauses_in_a_large_body_is_given_up(connection, monkeypatch):
    """What has come is handed out first."""
    monkeypatch.setattr("registry_app.sockets.Patience.patience", 0.05)
    accepted, client = connection
    with PatientSocket(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach()) as ours:
        ours.setblocking(True)
        client.sendall(b"some")
        assert ours.receive(2 * LARGE) == b"some"
        with pytest.raises(ClientSilentError):
            ours.receive(2 * LARGE)
