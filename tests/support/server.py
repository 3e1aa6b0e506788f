"""A local server that answers what a test wrote down, byte for byte.

``ScriptedServer`` answers the n-th request it reads with the n-th script; a script is a sequence of
steps, the last script serves all later requests.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence


@dataclass(frozen=True)
class Pause:
    """Wait; ends early when the client hangs up or the server is closed."""

    seconds: float


@dataclass(frozen=True)
class Dribble:
    """Send ``data`` one byte at a time, ``gap_s`` apart."""

    data: bytes
    gap_s: float = 0.02


class Close:
    """Close the connection with FIN."""


class Reset:
    """Close the connection with RST."""


Step = bytes | Pause | Dribble | type[Close] | type[Reset]


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a whole answer with a Content-Length."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*pieces: bytes, headers: Sequence[bytes] = (), end: bool = True) -> bytes:
    """Return an answer in chunked encoding; without ``end`` it stops before the last chunk."""
    head = b"\r\n".join([b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *headers])
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"\r\n\r\n" + body + (b"0\r\n\r\n" if end else b"")


@dataclass
class Request:
    """What the server read."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class ScriptedServer:
    """A server on 127.0.0.1; a context manager.

    Attributes:
        port: Where it listens.
        scripts: One sequence of steps per request.
        requests: What was asked so far.
        connections: Sockets accepted so far.
        open_connections: Of those, how many are open now.
    """

    scripts: Sequence[Sequence[Step]]
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list[Request])
    connections: int = 0
    open_connections: int = 0

    def __enter__(self) -> ScriptedServer:
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(2)

    @property
    def url(self) -> str:
        """The address of ``/v1/chat``."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}/v1/chat"

    def wait_closed(self, within_s: float = 1.0) -> bool:
        """Wait until no client is connected any more; tell whether it came to that."""
        until = time.monotonic() + within_s
        while self.open_connections and time.monotonic() < until:
            time.sleep(0.005)
        return not self.open_connections

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self.open_connections += 1
                number = self.connections
            threading.Thread(target=self._serve, args=(client, number), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        try:
            if self.tls is not None:
                client = self.tls.wrap_socket(client, server_side=True)
            client.settimeout(0.05)
            while (request := self._read(client, number)) is not None:
                with self._lock:
                    self.requests.append(request)
                    script = self.scripts[min(len(self.requests), len(self.scripts)) - 1]
                if not self._play(client, script):
                    return
        except OSError:
            return
        finally:
            client.close()
            with self._lock:
                self.open_connections -= 1

    def _read(self, client: socket.socket, number: int) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self._receive(client)
            if not piece:
                return None
            data += piece
        head, _, start = data.partition(b"\r\n\r\n")
        body = bytearray(start)
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (header.partition(":") for header in rest)
        }
        while len(body) < int(headers.get("content-length", "0")):
            piece = self._receive(client)
            if not piece:
                return None
            body += piece
        return Request(line, headers, bytes(body), number)

    def _receive(self, client: socket.socket) -> bytes:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                return client.recv(65536)
        return b""

    def _play(self, client: socket.socket, script: Sequence[Step]) -> bool:
        for step in script:
            if isinstance(step, bytes):
                self._send(client, step)
            elif isinstance(step, Dribble):
                for byte in step.data:
                    self._send(client, bytes([byte]))
                    self._pause(client, step.gap_s)
            elif isinstance(step, Pause):
                self._pause(client, step.seconds)
            else:
                if step is Reset:
                    linger = struct.pack("ii", 1, 0)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return False
        return True

    def _send(self, client: socket.socket, data: bytes) -> None:
        client.settimeout(5)
        client.sendall(data)
        client.settimeout(0.05)

    def _pause(self, client: socket.socket, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0 and not self._closing.is_set():
            client.settimeout(min(left_s, 0.05))
            try:
                if not client.recv(1, socket.MSG_PEEK):
                    raise ConnectionResetError
            except TimeoutError:
                pass
        client.settimeout(0.05)
