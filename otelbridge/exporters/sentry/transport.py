"""HTTP to Sentry: POST, hand back what the server said.

With libcurl, because every kept trace is a request, and its price is CPU of ours. Measured on loopback, a body of 3 kB,
keep-alive, microseconds of CPU per request: httpx 764, urllib3 391, http.client 269, pycurl 70 (and 52 with a bare
socket and httptools, without TLS, proxies or timeouts: the rest of the price is the kernel's). The SDK's own transport
is no option: it never tries again and forgets what it drops. (libcurl itself opens a new connection when one that was
kept turns out to be dead, and only then.)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import certifi
import pycurl

from otelbridge.core.errors import RetryLater
from otelbridge.exporters.sentry.destinations import CLIENT

MAX_ANSWER_BYTES = 16 * 1024  # an answer is an id or a reason
KEEP_ALIVE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a server: settings of the transport.

    Attributes:
        timeout_seconds: for the whole request.
        connect_timeout_seconds: for its connection.
        proxy: URL of a proxy; None: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say.
        ca_certs: file with the certificates to trust; None: certifi's.
    """

    timeout_seconds: float
    connect_timeout_seconds: float
    proxy: str | None
    ca_certs: str | None


class Answer(NamedTuple):
    """What the server said, as it came: nearly every answer is a yes of which nothing but the status is looked at."""

    status: int
    lines: tuple[bytes, ...]
    body: bytes

    def mentions(self, name: bytes) -> bool:
        """Whether a header of this name, in lower case, may be there."""
        return name in b"".join(self.lines).lower()

    def headers(self) -> dict[str, str]:
        """Headers of the answer; their names are in lower case."""
        headers: dict[str, str] = {}
        for line in self.lines:
            if line.startswith(b"HTTP/"):  # what came before was an interim answer or a proxy's
                headers.clear()
                continue
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                name, value = name.strip().lower(), value.strip()
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers


class Transport:
    """Posts to one URL. Any number of threads may do so at once: each takes a connection that is free, or a new one."""

    def __init__(self, url: str, headers: dict[str, str], connection: Connection) -> None:
        self._url = url
        self._headers = headers
        self._connection = connection
        self._free: deque[_Handle] = deque()

    def post(self, body: bytes, compression: str) -> Answer:
        """One attempt; raises RetryLater when there was no answer. `compression` says what the body is: zstd ..."""
        try:
            handle = self._free.pop()
        except IndexError:
            handle = _Handle(self._url, self._headers, self._connection)
        try:
            answer = handle.post(body, compression)
        except pycurl.error as problem:
            handle.close()
            number, text = (*problem.args, "")[:2]
            raise RetryLater(f"no answer: {text or f'libcurl error {number}'}") from None
        self._free.append(handle)
        return answer

    def close(self) -> None:
        """Close the connections that are free."""
        while self._free:
            self._free.pop().close()


class _Handle:
    """One connection, kept alive between requests; used by one thread at a time."""

    def __init__(self, url: str, headers: dict[str, str], connection: Connection) -> None:
        self._answer: list[bytes] = []
        self._lines: list[bytes] = []
        self._size = 0
        self._headers = headers
        self._compression: str | None = None
        self._curl = curl = pycurl.Curl()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.USERAGENT, CLIENT)
        curl.setopt(pycurl.NOSIGNAL, 1)  # signals for timeouts are for programs with one thread
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)
        curl.setopt(pycurl.TCP_KEEPIDLE, KEEP_ALIVE_SECONDS)
        curl.setopt(pycurl.TIMEOUT_MS, int(connection.timeout_seconds * 1000))
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(connection.connect_timeout_seconds * 1000))
        curl.setopt(pycurl.CAINFO, connection.ca_certs or certifi.where())
        if connection.proxy is not None:
            curl.setopt(pycurl.PROXY, connection.proxy)
        curl.setopt(pycurl.WRITEFUNCTION, self._take_body)
        curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)

    def post(self, body: bytes, compression: str) -> Answer:
        """POST and wait for the answer; raises pycurl.error."""
        if compression != self._compression:
            self._use(compression)
        self._answer.clear()
        self._lines.clear()
        self._size = 0
        self._curl.setopt(pycurl.POSTFIELDS, body)  # and with it their size
        self._curl.perform()
        return Answer(self._curl.getinfo(pycurl.RESPONSE_CODE), tuple(self._lines), b"".join(self._answer))

    def close(self) -> None:
        self._curl.close()

    def _use(self, compression: str) -> None:
        headers = [f"{name}: {value}" for name, value in self._headers.items()]
        if compression != "none":
            headers.append(f"Content-Encoding: {compression}")
        headers.append("Expect:")  # no waiting for "100 Continue" before large bodies
        self._curl.setopt(pycurl.HTTPHEADER, headers)
        self._compression = compression

    def _take_body(self, chunk: bytes) -> None:
        if self._size < MAX_ANSWER_BYTES:
            self._answer.append(chunk[: MAX_ANSWER_BYTES - self._size])
        self._size += len(chunk)
