"""A stand-in for the HTTP APIs of model providers, on loopback, as far as the recordings need them.

It keeps a book of what it answered, call by call, with the exact usage it reported. The book is stored beside
each recording and is the truth that tests of cost compare with: it was written by the side that bills.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic_replies
import openai_replies
from provider_call import Api, Call

APIS = {
    "/v1/chat/completions": openai_replies.CHAT,
    "/v1/responses": openai_replies.RESPONSES,
    "/v1/embeddings": openai_replies.EMBEDDINGS,
    "/v1/messages": anthropic_replies.MESSAGES,
}
ANSWER_SECONDS = 0.03  # a plausible wait that keeps a whole recording under a few seconds
CHUNK_SECONDS = 0.02
RETRY_AFTER_MS = "20"  # both providers' clients honour retry-after-ms

Entry = dict[str, Any]


class Provider(ThreadingHTTPServer):
    """Serves on a free loopback port; `book` holds one entry per request in the order of arrival."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.book: list[Entry] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self.server_port}"

    def open_entry(self, api: Api, request: dict[str, Any]) -> tuple[Call, Entry]:
        """Number the call and enter it into the book, as not yet delivered."""
        with self._lock:
            call = Call(len(self.book) + 1, request)
            entry: Entry = {"api": api.name, "stream": call.stream, "status": 429 if call.refused else 200}
            entry |= {"requested_model": request.get("model")}
            if not call.refused:
                entry |= {"id": api.response_id(call), "model": call.model}
                entry |= {"service_tier": api.service_tier(call), "usage": api.usage(call)}
            entry["delivered"] = False
            self.book.append(entry)
        return call, entry


class _Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: 40 ms would be lost between them

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        api = APIS.get(self.path.partition("?")[0])
        if api is None:
            self.send_error(404)
            return
        call, entry = self.server.open_entry(api, request)
        time.sleep(ANSWER_SECONDS)
        if call.refused:
            self._send_json(429, api.refusal(call))
            entry["delivered"] = True
        elif call.stream:
            entry["delivered"] = self._send_stream(api, call)
        else:
            self._send_json(200, api.body(call))
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

    def _send_stream(self, api: Api, call: Call) -> bool:
        """Send the events; False when the client left before the end."""
        assert api.events is not None, f"{api.name} has no stream"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            for name, data in api.events(call):
                head = f"event: {name}\n" if name else ""
                payload = data if isinstance(data, str) else json.dumps(data)
                self.wfile.write(f"{head}data: {payload}\n\n".encode())
                time.sleep(CHUNK_SECONDS)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: the book has it all."""
