"""The head of a request, taken in as it comes: no thread waits for the rest of one."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from gunicorn.http import get_parser
from gunicorn.sock import ssl_wrap_socket

if TYPE_CHECKING:
    from typing import Protocol

    class Connection(Protocol):
        """What our worker needs of gunicorn's connections."""

        sock: Any
        parser: Any
        client: Any
        initialized: bool
        data_ready: bool
        timeout: float

        def close(self, graceful: bool = False) -> None:  # noqa: FBT001, FBT002
            """Closes it; gracefully so that the client gets the answer."""
            ...


# A longer one is left to a thread: to send so much is work for whoever wants to keep threads busy.
LONGEST = 8 * 1024
_PIECE = 8 * 1024
_END = b"\r\n\r\n"


def head_has_come(conn: Connection, cfg: Any) -> bool:
    """Takes in what is there, TLS's handshake first; whether a thread can go on without waiting for more.

    It can where the client has ended, too: the parser knows what that means. Raises OSError where a connection is lost.
    """
    if conn.parser is None and not _agreed(conn, cfg):
        return False
    buffer = conn.parser.unreader.buf
    head = buffer.getvalue()
    while _END not in head and len(head) < LONGEST:
        piece = conn.sock.taken(_PIECE)
        if piece is None:
            return False
        if not piece:
            break
        buffer.seek(len(head))
        buffer.write(piece)
        head += piece
    conn.sock.head = head
    return True


def _agreed(conn: Connection, cfg: Any) -> bool:
    """Whether a new connection is ready for requests; with TLS that takes a client's second word."""
    if cfg.is_ssl:
        if not isinstance(conn.sock, ssl.SSLSocket):
            conn.sock = ssl_wrap_socket(conn.sock, cfg)
        conn.sock.setblocking(False)
        try:
            conn.sock.do_handshake()
        except ssl.SSLWantReadError:
            return False
    conn.parser = get_parser(cfg, conn.sock, conn.client)
    conn.initialized = True
    return True
