"""Bodies of known length, read from the socket, against every cut of the stream."""

from __future__ import annotations

import socket
import threading
from itertools import pairwise

import pytest
from gunicorn.http.unreader import SocketUnreader
from hypothesis import given
from hypothesis import strategies as st

from registry_app.request_body import LengthBody
from registry_app.sockets import PatientSocket


def body_over(ahead: bytes, rest: list[bytes], length: int):
    """A body whose first bytes the parser has read already; the others come in pieces, then the connection ends."""
    plain, theirs = socket.socketpair()
    ours = PatientSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())

    def send():
        for piece in rest:
            theirs.sendall(piece)
        theirs.close()

    threading.Thread(target=send).start()
    unreader = SocketUnreader(ours)
    unreader.unread(ahead)
    return LengthBody(unreader, ours, length), unreader, ours


@given(
    data=st.binary(min_size=1, max_size=300),
    behind=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 320), max_size=4),
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=4),
)
def test_a_body_is_the_same_however_it_is_cut_and_asked_for(data, behind, cuts, sizes):
    """Nothing of it is lost, and nothing of the next request is taken, wherever the parser stopped reading ahead."""
    stream = data + behind
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    ahead, *rest = [stream[a:b] for a, b in pairwise(edges)]
    body, unreader, ours = body_over(ahead, rest, len(data))
    read = b""
    while piece := body.read(sizes[len(read) % len(sizes)]):
        read += piece
    with ours:
        assert read == data
        assert not body.failed
        left = unreader.take_buffered()
        while more := ours.recv(1000):
            left += more
    assert left == behind


def test_a_body_cut_short_gives_what_came_and_then_the_error():
    """What has arrived can be kept for a client that resumes; the end is never taken for the end of the body."""
    body, _, ours = body_over(b"ab", [b"cd"], 10)
    with ours:
        assert (body.read(100), body.read(100)) == (b"ab", b"cd")
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                body.read(100)
            assert body.failed


def test_the_whole_of_it_may_be_asked_for_at_once():
    """As file-like objects do."""
    body, _, ours = body_over(b"", [b"x" * 1000], 1000)
    with ours:
        assert body.read() == b"x" * 1000
        assert body.read() == b""
