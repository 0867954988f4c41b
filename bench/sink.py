"""A Sentry that says yes: a process of its own that answers 200 to every envelope, and can say what it got.

It keeps what it was sent, compressed as it came, and looks into it only when asked (`GET /stats`), after the clock has
stopped. stdout gets one line: {"port": N}.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import zlib
from dataclasses import dataclass, field
from typing import cast

import httptools
import uvloop
import zstandard

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(slots=True)
class Received:
    """Envelopes, as (content encoding, body)."""

    envelopes: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0

    def stats(self) -> dict[str, int]:
        """Numbers of envelopes, bytes on the wire, transactions and the spans in them, other items; forgets them."""
        numbers = dict.fromkeys(("envelopes", "bytes", "transactions", "spans", "other_items"), 0)
        for encoding, body in self.envelopes:
            numbers["envelopes"] += 1
            numbers["bytes"] += len(body)
            for kind, payload in _items(_decompressed(encoding, body)):
                if kind == "transaction":
                    numbers["transactions"] += 1
                    numbers["spans"] += 1 + len(json.loads(payload).get("spans", []))
                else:
                    numbers["other_items"] += 1
        numbers["connections"] = self.connections
        self.envelopes.clear()
        return numbers


def _decompressed(encoding: str, body: bytes) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    if encoding:
        raise ValueError(f"unexpected content encoding {encoding!r}")
    return body


def _items(envelope: bytes) -> list[tuple[str, bytes]]:
    """Type and payload of each item of an envelope."""
    items = []
    position = envelope.index(b"\n") + 1
    while position < len(envelope):
        end = envelope.index(b"\n", position)
        header = json.loads(envelope[position:end])
        length = header["length"]
        items.append((header["type"], envelope[end + 1 : end + 1 + length]))
        position = end + 1 + length + 1
    return items


class _Connection(asyncio.Protocol):
    def __init__(self, received: Received) -> None:
        self._received = received
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = self._encoding = ""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._received.connections += 1

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = self._encoding = ""
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._url += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-encoding":
            self._encoding = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        assert self._transport is not None
        if self._url.startswith("/api/"):
            self._received.envelopes.append((self._encoding, b"".join(self._body)))
            self._transport.write(ANSWER)
        else:
            stats = json.dumps(self._received.stats()).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(stats), stats))


async def serve() -> None:
    """Listen on a free port until killed."""
    received = Received()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(received), "127.0.0.1", 0, family=socket.AF_INET)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
