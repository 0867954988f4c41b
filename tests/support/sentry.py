"""A Sentry for whole daemons: it keeps what it takes, and answers, hangs, resets or is away as it is told.

What counts as taken is what got a success as its answer: an envelope that was read and refused was not taken.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import zstandard


@dataclass(frozen=True)
class Mood:
    """How requests are answered; `way` says what happens instead of an answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    way: Literal["answer", "hang", "reset"] = "answer"


GOOD = Mood()
HANGING = Mood(way="hang")
RESETTING = Mood(way="reset")


@dataclass(frozen=True)
class Taken:
    """One envelope, decompressed."""

    path: str
    body: bytes

    @cached_property
    def _parts(self) -> list[bytes]:
        return self.body.split(b"\n", 2)

    @property
    def kind(self) -> str:
        """Type of its only item: transaction, event, client_report."""
        return str(json.loads(self._parts[1])["type"])

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The item."""
        length = json.loads(self._parts[1])["length"]
        decoded: dict[str, Any] = json.loads(self._parts[2][:length])
        return decoded

    @cached_property
    def spans(self) -> list[dict[str, Any]]:
        """Of a transaction: its spans as dictionaries, the segment's own first."""
        return [self.payload["contexts"]["trace"], *self.payload["spans"]]


class Sentry:
    """Listens on a port that stays the same when it goes away and comes back."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.attempts = 0
        self._mood = GOOD
        self._mood_changed = threading.Event()
        self._lock = threading.Lock()
        self._http: _Server | None = None
        self.port = 0
        self.come_back()

    @property
    def dsn(self) -> str:
        return f"http://publickey@127.0.0.1:{self.port}/42"

    @property
    def mood(self) -> Mood:
        """How requests are answered from now on; setting it ends the hanging ones."""
        return self._mood

    @mood.setter
    def mood(self, mood: Mood) -> None:
        self._mood = mood
        self._mood_changed.set()
        self._mood_changed = threading.Event()

    def go_away(self) -> None:
        """Refuse connections, and break those that are open."""
        http, self._http = self._http, None
        if http is not None:
            http.shutdown()
            http.server_close()
            http.break_connections()
            self._mood_changed.set()
            self._mood_changed = threading.Event()

    def come_back(self) -> None:
        """Listen again."""
        self._http = _Server(self, self.port)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def events(self) -> list[Taken]:
        """What was taken, but for reports about drops."""
        with self._lock:
            return [taken for taken in self.taken if taken.kind != "client_report"]

    def transactions(self) -> list[Taken]:
        """The transactions that were taken."""
        return [taken for taken in self.events() if taken.kind == "transaction"]

    def answer(self, path: str, encoding: str, sent: bytes) -> Mood:
        """Look at the mood before and note what was taken; waits while hanging."""
        with self._lock:
            self.attempts += 1
            mood, changed = self._mood, self._mood_changed
            if mood.way == "answer" and mood.status == 200:
                self.taken.append(Taken(path, _decompressed(encoding, sent)))
        if mood.way == "hang":
            changed.wait()
        return mood


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, sentry: Sentry, port: int) -> None:
        self.sentry = sentry
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed break connections."""

    def break_connections(self) -> None:
        for connection in tuple(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it was closed meanwhile
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        mood = self.server.sentry.answer(self.path, self.headers.get("Content-Encoding", ""), sent)
        if mood.way != "answer":
            if mood.way == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            self.close_connection = True
            return
        headers = "".join(f"{name}: {value}\r\n" for name, value in mood.headers.items())
        self.wfile.write(f"HTTP/1.1 {mood.status} Told\r\nContent-Length: 2\r\n{headers}\r\n{{}}".encode())

    def log_message(self, *_: object) -> None:
        pass


def _decompressed(encoding: str, sent: bytes) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(sent)
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(sent)
    assert not encoding
    return sent


@contextmanager
def running() -> Iterator[Sentry]:
    """A Sentry in good mood."""
    sentry = Sentry()
    try:
        yield sentry
    finally:
        sentry.mood = GOOD
        sentry.go_away()
