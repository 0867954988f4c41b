"""A stand-in for OpenAI's HTTP API on loopback: chat completions, and a bill.

It is the side that bills, so its bill is what the report's token counts are compared with.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER_SECONDS = 0.04  # long enough to see in a trace, short enough to wait for
CREATED_AT = 1_764_000_000  # seconds since the epoch; clients only pass it on
SYSTEM_PROMPT_TOKENS = 1024  # what is cached after the first call of a model; OpenAI caches from 1,024 tokens on
DATED = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18", "gpt-5-mini": "gpt-5-mini-2025-08-07"}


@dataclass(frozen=True, slots=True)
class Billed:
    """One call as the provider bills it.

    Attributes:
        model: that answered.
        input_tokens: all of them, cached ones included.
        cached_tokens: those of the input that cost less.
        output_tokens: of the answer.
    """

    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int


class Provider(ThreadingHTTPServer):
    """Answers chat completions; `bill` has one entry a call."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bill: list[Billed] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The API's base URL."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def charge(self, request: dict[str, Any]) -> tuple[int, Billed]:
        """The number of a call and what it costs."""
        with self._lock:
            number = len(self.bill) + 1
            model = DATED.get(request["model"], request["model"])
            is_known = any(billed.model == model for billed in self.bill)
            asked = sum(len(str(message["content"])) for message in request["messages"])
            billed = Billed(
                model=model,
                input_tokens=SYSTEM_PROMPT_TOKENS + asked,
                cached_tokens=SYSTEM_PROMPT_TOKENS if is_known else 0,
                output_tokens=180 + 7 * number,
            )
            self.bill.append(billed)
            return number, billed


class _Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: 40 ms would be lost between them

    def do_POST(self) -> None:
        """One chat completion."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        number, billed = self.server.charge(request)
        time.sleep(ANSWER_SECONDS)
        body = json.dumps(_completion(number, billed)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the report tells what was called."""


def _completion(number: int, billed: Billed) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"Answer number {number}.", "refusal": None}
    return {
        "id": f"chatcmpl-{number:04d}",
        "object": "chat.completion",
        "created": CREATED_AT,
        "model": billed.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": billed.input_tokens,
            "completion_tokens": billed.output_tokens,
            "total_tokens": billed.input_tokens + billed.output_tokens,
            "prompt_tokens_details": {"cached_tokens": billed.cached_tokens},
        },
    }


@contextmanager
def serving() -> Iterator[Provider]:
    """A provider that runs while the block does."""
    provider = Provider()
    thread = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.shutdown()
        thread.join()
        provider.server_close()
