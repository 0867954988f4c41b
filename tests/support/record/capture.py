"""A tiny OTLP/HTTP receiver, on loopback, that keeps request bodies exactly as they came.

Bodies in protobuf are put one after the other: the encodings of two messages, concatenated, are the encoding of
the two merged, so a recording of many requests is one valid ExportTraceServiceRequest, and not a byte of it is
rewritten. Metrics are kept apart from spans, one body for each export.
"""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Capture(ThreadingHTTPServer):
    """Serves on a free loopback port.

    Of spans, `protobuf` is the merged request and `json` one body per request; `metrics` is one body per request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.protobuf = b""
        self.json: list[bytes] = []
        self.metrics: list[bytes] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The value for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Capture
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._read_body()
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        is_json = self.headers["content-type"].startswith("application/json")
        if self.path == "/v1/traces":
            with self.server.lock:
                if is_json:
                    self.server.json.append(body)
                else:
                    self.server.protobuf += body
        elif self.path == "/v1/metrics":
            with self.server.lock:
                self.server.metrics.append(body)
        answer = b"{}" if is_json else b""
        self.send_response(200)
        self.send_header("content-type", self.headers["content-type"])
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers["content-length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):  # opentelemetry-js sends its requests in chunks
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: the recorder says what it stored."""
