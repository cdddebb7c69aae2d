"""A wire between two machines that can be cut: bytes to a server and back, counted.

Input: the address of a server. Output: an address that leads there; what went through it.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer


class Relay(ThreadingTCPServer):
    """Leads to `target`; once `limit` bytes have come back from it, `cut` is called and the wire cut."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen at a free port."""
        super().__init__(("127.0.0.1", 0), Wire)
        self.target = ""
        self.sent = 0
        self.limit: int | None = None
        self.cut: Callable[[], object] = int

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def cut_after(self, count: int, cut: Callable[[], object]) -> None:
        """Cut the wire once, after so many bytes from now."""
        self.sent, self.limit, self.cut = 0, count, cut


class Wire(BaseRequestHandler):
    """One connection."""

    server: Relay

    def handle(self) -> None:
        """Carry bytes until either side ends, or the wire is cut."""
        host, port = self.server.target.removeprefix("http://").split(":")
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=60) as there:
            asking = threading.Thread(target=self.ask, args=(there,))
            asking.start()
            self.carry_back(there)
            there.shutdown(socket.SHUT_RDWR)
            self.request.shutdown(socket.SHUT_RDWR)
            asking.join()

    def ask(self, there: socket.socket) -> None:
        """Carry what is asked."""
        with suppress(OSError):
            while part := self.request.recv(1 << 16):
                there.sendall(part)
            there.shutdown(socket.SHUT_WR)

    def carry_back(self, there: socket.socket) -> None:
        """Carry what is answered."""
        relay = self.server
        while part := there.recv(1 << 14):
            self.request.sendall(part)
            relay.sent += len(part)
            if relay.limit is not None and relay.sent >= relay.limit:
                relay.limit = None
                relay.cut()
                return


@contextmanager
def run_relay() -> Iterator[Relay]:
    """Run a wire."""
    with Relay() as relay:
        thread = threading.Thread(target=relay.serve_forever)
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join()
