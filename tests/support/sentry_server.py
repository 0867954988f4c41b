"""A Sentry server on loopback that answers as it is told and notes what it was sent."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import zstandard


@dataclass(frozen=True)
class Reply:
    """One answer; `kind` says how a connection misbehaves: ok, reset, hang."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"id":"0"}'
    kind: str = "ok"


@dataclass(frozen=True)
class Taken:
    """One request: its headers in lower case, and its body as it was before compression."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


class SentryServer:
    """Answers with `replies` one after the other, then with 200."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.taken: list[Taken] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def dsn(self) -> str:
        return f"http://publickey:secretkey@127.0.0.1:{self.port}/42"

    def stop(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        sent = request.rfile.read(int(request.headers["Content-Length"]))
        headers = {key.lower(): value for key, value in request.headers.items()}
        encoding = headers.get("content-encoding", "")
        body = zstandard.ZstdDecompressor().decompress(sent) if encoding == "zstd" else sent
        body = gzip.decompress(body) if encoding == "gzip" else body
        with self._lock:
            self.taken.append(Taken(request.path, headers, body, request.client_address[1]))
            reply = self.replies.pop(0) if self.replies else Reply()
        if reply.kind == "hang":
            self.released.wait(30)
            request.close_connection = True
            return
        if reply.kind == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()
            request.close_connection = True
            return
        request.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(reply.body)


@contextmanager
def running() -> Iterator[SentryServer]:
    server = SentryServer()
    try:
        yield server
    finally:
        server.stop()
