"""A bad line between a client and a registry: it breaks once, in the middle of an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 64 * 1024


@dataclass(slots=True)
class BadLine:
    """Forwards a port of 127.0.0.1 to another one; the first connection that brings more than `most` bytes is cut."""

    target: int
    most: int
    port: int = 0
    was_cut: bool = False
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listener: socket.socket) -> None:
        """Takes connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with closing(client), closing(socket.create_connection(("127.0.0.1", self.target))) as server:
            threading.Thread(target=_copy, args=(client, server), daemon=True).start()
            carried = 0
            with suppress(OSError):
                while piece := server.recv(_PIECE):
                    carried += len(piece)
                    if carried > self.most and self._may_cut():
                        break
                    client.sendall(piece)
                client.shutdown(socket.SHUT_RDWR)

    def _may_cut(self) -> bool:
        with self._changing:
            first, self.was_cut = not self.was_cut, True
            return first


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def bad_line(target: int, *, most: int) -> Iterator[BadLine]:
    """A line to this port of 127.0.0.1 that breaks once, after so many bytes of one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = BadLine(target, most, port=listener.getsockname()[1])
        threading.Thread(target=line.serve, args=(listener,), daemon=True).start()
        yield line
