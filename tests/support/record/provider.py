"""A stand-in for the HTTP APIs of model providers, on loopback: OpenAI and Anthropic as far as the recordings need.

It keeps a book of what it answered, call by call, with the exact usage it reported. The book is stored beside each
recording and is the truth that tests of cost compare with: it was written by the side that bills.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import provider_replies as replies

PATHS = {
    "/v1/chat/completions": "openai.chat",
    "/v1/responses": "openai.responses",
    "/v1/embeddings": "openai.embeddings",
    "/v1/messages": "anthropic.messages",
}
ANSWER_SECONDS = 0.03  # a plausible wait that keeps a whole recording under a few seconds
CHUNK_SECONDS = 0.02
RETRY_AFTER_MS = "20"  # both providers' clients honour retry-after-ms


class Provider(ThreadingHTTPServer):
    """Serves on a free loopback port; `book` holds one entry per request in the order of arrival."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.book: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self.server_port}"

    def open_entry(self, api: str, request: dict[str, Any]) -> tuple[replies.Call, dict[str, Any]]:
        """Number the call and enter it into the book as not yet delivered."""
        with self._lock:
            call = replies.Call(len(self.book) + 1, api, request)
            refused = "[429]" in call.prompt
            entry: dict[str, Any] = {
                "api": api,
                "stream": call.stream,
                "status": 429 if refused else 200,
                "requested_model": request.get("model"),
                "delivered": False,
            }
            if not refused:
                entry |= {"id": replies.response_id(call), "model": call.model, "usage": replies.usage(call)}
                entry |= {"service_tier": call.service_tier} if api.startswith("openai") else {}
            self.book.append(entry)
        return call, entry


class _Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # noqa: N802 - the name is http.server's
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        api = PATHS.get(self.path.partition("?")[0])
        if api is None:
            self.send_error(404)
            return
        call, entry = self.server.open_entry(api, request)
        time.sleep(ANSWER_SECONDS)
        if entry["status"] == 429:
            self._send_json(429, replies.rate_limited(call))
        elif call.stream:
            entry["delivered"] = self._send_stream(call)
            return
        else:
            self._send_json(200, replies.body(call))
        entry["delivered"] = True

    def _send_json(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status == 429:
            self.send_header("retry-after-ms", RETRY_AFTER_MS)
        self.end_headers()
        self.wfile.write(data)

    def _send_stream(self, call: replies.Call) -> bool:
        """Send the events; False when the client left before the end."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            for name, data in replies.events(call):
                payload = data if isinstance(data, str) else json.dumps(data)
                self.wfile.write((f"event: {name}\n" if name else "").encode() + f"data: {payload}\n\n".encode())
                self.wfile.flush()
                time.sleep(CHUNK_SECONDS)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Stay quiet: the book has it all."""
