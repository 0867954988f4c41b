"""uvicorn's HTTP protocol with bounds on how long and how large the head of a request may be, and how long its body.

uvicorn has none but the time between requests, so a client that sends a byte a minute would hold a connection, and an
endless header line would hold memory, for as long as they like.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024  # request line and headers; other servers take 8 to 64 KiB


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds from the first byte of a request, or from the connection for the first one."""

    head_seconds: float
    request_seconds: float


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *, deadlines: Deadlines, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._deadlines = deadlines
        self._deadline: asyncio.TimerHandle | None = None
        self._is_in_head = False
        self._head_bytes = 0  # without the first piece of data, which may hold the end of the request before it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the base class
        """Start the clock for the first request."""
        super().connection_made(transport)
        self._expect_within(self._deadlines.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._expect_within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse a head that goes on for too long."""
        was_in_head, self._began_now = self._is_in_head, False
        super().data_received(data)
        if not was_in_head or not self._is_in_head or self._began_now:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._is_in_head = self._began_now = True
        self._head_bytes = 0
        self._expect_within(self._deadlines.head_seconds)

    def on_headers_complete(self) -> None:
        """The end of a request's head."""
        self._is_in_head = False
        self._expect_within(self._deadlines.request_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The end of a request."""
        self._expect_within(None)
        super().on_message_complete()

    def _expect_within(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self._close_late_connection)

    def _close_late_connection(self) -> None:
        self.transport.abort()  # close() would wait for a client that reads as slowly as it writes
