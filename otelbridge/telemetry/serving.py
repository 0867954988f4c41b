"""Listening sockets and HTTP servers on the daemon's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import NamedTuple

import uvicorn

from otelbridge.core.errors import CannotStart

_ADVICE = {
    errno.EADDRINUSE: ("is in use", "stop the other process or set"),
    errno.EADDRNOTAVAIL: ("is no address of this machine", "set"),
    errno.EACCES: ("may not be opened by this user", "choose a port from 1024 up in"),
}


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """`host:port`, with an IPv6 host in brackets; raises ValueError."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError("write an IPv6 address in brackets: [::1]:4317")
        if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError("write host:port, for example 127.0.0.1:4317 or 0.0.0.0:4317")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen(address: Address, what: str, setting: str) -> socket.socket:
    """A bound socket; raises CannotStart with one clear line.

    Without SO_REUSEPORT: two daemons on one port would each get half of the traces' spans, and nobody would notice.
    """
    try:
        family, kind, protocol, _, bound = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_start(address, what, setting, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart must not wait for old connections
        listener.bind(bound)
        listener.listen()  # for another socket may be bound to the port with SO_REUSEADDR and not listen yet
    except OSError as error:
        listener.close()
        raise _cannot_start(address, what, setting, error) from None
    listener.setblocking(False)
    return listener


def _cannot_start(address: Address, what: str, setting: str, error: OSError) -> CannotStart:
    trouble, advice = _ADVICE.get(error.errno or 0, (f"cannot be listened on, {error.strerror}", "set"))
    return CannotStart(f"{address} {trouble} ({what}): {advice} {setting}")


class EmbeddedServer(uvicorn.Server):
    """uvicorn's server without its signal handlers, which says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; sets `listening`."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to the daemon."""
        yield
