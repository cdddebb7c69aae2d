"""A client's connection beneath Granian, for what its streams do not offer.

Input: a client's address as Granian tells it. Output: how much of an answer the client has taken, and a
cut. Granian takes parts as fast as they are made and keeps them in memory, however slowly they leave,
and it ends an answer that failed in the middle as if it were whole.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address

from granian._granian import RSGIProtocolClosed as ProtocolClosed

SEND_SECONDS = 30.0
"""How long a client may take for what is on its way to it."""

MIN_POLL_SECONDS, MAX_POLL_SECONDS = 0.001, 0.05

TCP_CLOSED = 7
ACKED_AT = 120
"""Where Linux's `struct tcp_info` has `tcpi_bytes_acked`; its first byte is the state."""


class Connection:
    """The connection of a client that is being answered; a duplicate, which the user closes."""

    def __init__(self, client: str) -> None:
        """Find it among the open files. Raises `ProtocolClosed` where the client has gone."""
        self.socket = find_socket(client)
        self.awaited = self.count_acked()

    def __enter__(self) -> "Connection":
        """Return the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the duplicate."""
        self.socket.close()

    def count_acked(self) -> int:
        """Return how many bytes the client's system has taken. Raises `ProtocolClosed`."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKED_AT + 8)
        if info[0] == TCP_CLOSED:
            raise ProtocolClosed
        acked: int = struct.unpack_from("=Q", info, ACKED_AT)[0]
        return acked

    async def wait_until_taken(self, size: int, left: int) -> None:
        """Add what was sent last; return once at most `left` bytes of all that was sent are on the way.

        Raises `TimeoutError` after `SEND_SECONDS`, and `ProtocolClosed` where the client has gone.
        """
        self.awaited += size
        pause = MIN_POLL_SECONDS
        async with asyncio.timeout(SEND_SECONDS):
            while self.awaited - self.count_acked() > left:
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_POLL_SECONDS)

    def stop_reading(self) -> None:
        """End what the client sends: Granian would go on waiting for it, behind an answer too."""
        with contextlib.suppress(OSError):  # the client has gone
            self.socket.shutdown(socket.SHUT_RD)

    def cut(self) -> None:
        """Reset the connection, so that nobody takes what has come of an answer for all of it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stop_reading()


def find_socket(client: str) -> socket.socket:
    """Return a duplicate of the socket whose other end is the client. Raises `ProtocolClosed`."""
    host, _, port = client.rpartition(":")  # 127.0.0.1:80 or [::1%2]:80
    peer = drop_scope(host.strip("[]")), int(port)
    for found in borrow_sockets():
        with contextlib.suppress(OSError):  # it listens, or has just been closed
            address = found.getpeername()
            if address[1:2] == peer[1:] and drop_scope(address[0]) == peer[0]:
                return socket.socket(fileno=os.dup(found.fileno()))
    raise ProtocolClosed


def drop_scope(host: str) -> object:
    """Return a host's IP address."""
    return ip_address(host.partition("%")[0])


def bound_sending() -> None:
    """Let the system reset connections whose client takes nothing of what is sent, short answers too.

    Connections inherit it from the socket that listens, which Granian opens in the worker.
    """
    for found in borrow_sockets():
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * SEND_SECONDS))


def borrow_sockets() -> Iterator[socket.socket]:
    """Yield the sockets of this process, each until the next; Granian owns them."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208
        try:
            found = socket.socket(fileno=int(name))
        except OSError:  # no socket, or closed meanwhile
            continue
        try:
            yield found
        finally:
            found.detach()
