"""The traces of a chatbot: which spans a request of a user leaves, how they nest, and which of their values differ.

The mix of requests is that of people who mostly read: lists of chats, a chat with its votes, and every fourth request
a question to the model. One in twenty pages of votes loads them one by one, as in the recording.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench.specimens import CHATBOT, DATABASE, AttributeValue, Specimen, specimen
from tests.support import recordings

MS = 1_000_000  # ns
USERS = 2000
CONNECTIONS = 64  # kept open by the proxy before the application
N_PLUS_ONE_SHARE = 0.05
VOTES_LOADED_ONE_BY_ONE = 25  # as recorded
TABLE = re.compile(r'"(Chat|Message_v2|Vote_v2)"')
SERIES_PER_MODULE = 8  # durations of four routes and of four kinds of queries
WORDS = ("the", "weather", "of", "a", "city", "is", "what", "its", "people", "talk", "about", "when", "nothing", "else")

HTTP, EXPRESS, PG, UNDICI = (f"@opentelemetry/instrumentation-{name}" for name in ("http", "express", "pg", "undici"))

CHAT = specimen(DATABASE, PG, "pg.query", 'from "Chat" where "Chat"."id"')
MESSAGES = specimen(DATABASE, PG, "pg.query", '"content" from "Message_v2" where "Message_v2"."chatId"')
VOTES = specimen(DATABASE, PG, "pg.query", '"isUpvoted" from "Vote_v2"')
INSERT = specimen(DATABASE, PG, "pg.query", 'insert into "Message_v2"')
CONNECT = specimen(DATABASE, PG, "pg-pool.connect")
SERVER = {method: specimen(DATABASE, HTTP, f"{method} ") for method in ("GET", "POST")}
HANDLER = specimen(DATABASE, EXPRESS, "request handler")
OUTGOING = specimen(CHATBOT, UNDICI, "POST")
MODELS = [
    (
        specimen(CHATBOT, "ai", "ai.streamText", "ai.streamText chat", provider, "ai.response.text"),
        specimen(CHATBOT, "ai", "ai.streamText.doStream", provider, "ai.response.text"),
    )
    for provider in ("anthropic.messages", "openai.chat")
]
"""Spans of a streamed answer, the caller's and the provider call's, by provider."""


@dataclass(slots=True)
class Trace:
    """One trace while it is written.

    Attributes:
        spans: (instrumentation, span), in the order in which they were begun.
        prompt_bytes: length of prompts and answers; 0: about as long as the recorded ones.
        module: which of several equal parts of the application it is about, with tables and routes of its own.
    """

    rng: random.Random
    start_ns: int
    prompt_bytes: int
    module: str = ""
    spans: list[tuple[str, Span]] = field(default_factory=list)
    trace_id: bytes = b""
    user: str = ""
    chat: str = ""

    def __post_init__(self) -> None:
        self.trace_id = self.rng.randbytes(16)
        self.user = f"user_{self.rng.randrange(USERS)}"
        self.chat = self.uuid()

    def uuid(self) -> str:
        """A new one, from the seed."""
        return str(uuid.UUID(bytes=self.rng.randbytes(16), version=4))

    def text(self, about_bytes: int) -> str:
        """Words that nobody said before."""
        words = self.rng.choices(WORDS, k=max(1, (self.prompt_bytes or about_bytes) // 5))
        return f"{' '.join(words)} {self.rng.getrandbits(32):x}"

    def add(
        self,
        kind: Specimen,
        parent: bytes,
        start_ms: float,
        ms: float,
        changes: Mapping[str, AttributeValue] | None = None,
        name: str = "",
    ) -> bytes:
        """Add a copy of a recorded span; returns its id."""
        span = kind.copy(name, changes or {})
        span.trace_id, span.span_id, span.parent_span_id = self.trace_id, self.rng.randbytes(8), parent
        recorded_start_ns = span.start_time_unix_nano
        span.start_time_unix_nano = self.start_ns + int(start_ms * MS)
        span.end_time_unix_nano = span.start_time_unix_nano + int(ms * MS)
        for event in span.events:
            event.time_unix_nano += span.start_time_unix_nano - recorded_start_ns
        self.spans.append((kind.scope, span))
        return span.span_id


def write_trace(rng: random.Random, start_ns: int, prompt_bytes: int, module: str = "") -> Trace:
    """One request of a user."""
    trace = Trace(rng, start_ns, prompt_bytes, module)
    (write,) = rng.choices((_list_of_chats, _votes, _question, _login), weights=(30, 30, 25, 15))
    write(trace)
    return trace


def _list_of_chats(trace: Trace) -> None:
    handler = _request(trace, "GET", "/api/history", "/api/history", 12)
    _query(trace, handler, 3, CHAT, (trace.chat,))


def _login(trace: Trace) -> None:
    handler = _request(trace, "POST", "/login", "/login", 9)
    _query(trace, handler, 3, CHAT, (trace.chat,))


def _votes(trace: Trace) -> None:
    is_loop = trace.rng.random() < N_PLUS_ONE_SHARE
    path = f"/api/chat/{trace.chat}/votes"
    handler = _request(trace, "GET", "/api/chat/:id/votes", path, 200 if is_loop else 20)
    _query(trace, handler, 1, MESSAGES, (trace.chat,))
    for i in range(VOTES_LOADED_ONE_BY_ONE if is_loop else 1):
        _query(trace, handler, 9 + i * 7, VOTES, (trace.chat, trace.uuid()))


def _question(trace: Trace) -> None:
    handler = _request(trace, "POST", "/api/chat", "/api/chat", 1200)
    _query(trace, handler, 2, CHAT, (trace.chat,))
    _query(trace, handler, 10, MESSAGES, (trace.chat,))
    _query(trace, handler, 18, INSERT, (trace.uuid(), trace.chat, "user", trace.text(20)))
    _answer(trace, handler, 30)
    _query(trace, handler, 1180, INSERT, (trace.uuid(), trace.chat, "assistant", trace.text(20)))


def _request(trace: Trace, method: str, route: str, path: str, ms: float) -> bytes:
    """The server's span and Express's; returns the id of the latter."""
    route = f"/{trace.module}{route}" if trace.module else route
    root = trace.add(
        SERVER[method],
        b"",
        0,
        ms + trace.rng.random(),
        {
            "url.path": path,
            "http.route": route,
            "network.peer.port": 40_000 + trace.rng.randrange(CONNECTIONS),
            "user.id": trace.user,
            "session.id": f"sess_of_{trace.user}",
        },
        f"{method} {route}",
    )
    return trace.add(HANDLER, root, 0.3, ms - 0.5, {"http.route": route, "express.name": route})


def _query(trace: Trace, parent: bytes, at_ms: float, kind: Specimen, values: tuple[str, ...]) -> None:
    changes: dict[str, AttributeValue] = {"db.postgresql.values": values}
    if trace.module:
        statement = str(recordings.attributes(kind.span)["db.query.text"])
        changes["db.query.text"] = TABLE.sub(rf'"\1_{trace.module}"', statement)
    trace.add(CONNECT, parent, at_ms, trace.rng.uniform(0.05, 0.5))
    trace.add(kind, parent, at_ms + 0.6, trace.rng.uniform(0.8, 6), changes)


def _answer(trace: Trace, parent: bytes, at_ms: float) -> None:
    """A streamed answer: the caller's span, the provider call's, and the HTTP request below it."""
    rng = trace.rng
    caller, call = rng.choice(MODELS)
    recorded = recordings.attributes(caller.span)
    recorded_uncached, recorded_output = (
        recorded["ai.usage.inputTokenDetails.noCacheTokens"],
        recorded["ai.usage.outputTokens"],
    )
    uncached, output = rng.randrange(200, 4000), rng.randrange(40, 900)
    cached = _int(recorded["ai.usage.inputTokens"]) - _int(recorded_uncached)
    metadata = (
        str(recorded["ai.response.providerMetadata"])
        .replace(f'"input_tokens":{recorded_uncached!r}', f'"input_tokens":{uncached}')
        .replace(f'"output_tokens":{recorded_output!r}', f'"output_tokens":{output}')
    )
    common: dict[str, AttributeValue] = {
        "ai.telemetry.metadata.userId": trace.user,
        "ai.telemetry.metadata.sessionId": f"sess_of_{trace.user}",
        "ai.usage.inputTokens": uncached + cached,
        "ai.usage.inputTokenDetails.noCacheTokens": uncached,
        "ai.usage.outputTokens": output,
        "ai.usage.totalTokens": uncached + cached + output,
        "ai.response.text": trace.text(30),
        "ai.response.providerMetadata": metadata,
    }
    if "ai.usage.outputTokenDetails.textTokens" in recorded:
        common["ai.usage.outputTokenDetails.textTokens"] = output
    prompt = trace.text(20)
    response = f"{'chatcmpl' if 'gpt' in str(recorded['ai.model.id']) else 'msg'}-{rng.getrandbits(96):024x}"
    first_chunk_ms = rng.uniform(150, 600)
    outer = trace.add(caller, parent, at_ms, 1140, {**common, "ai.prompt": f'{{"prompt":"{prompt}"}}'})
    inner = trace.add(
        call,
        outer,
        at_ms + 2,
        1130,
        {
            **common,
            "ai.prompt.messages": f'[{{"role":"user","content":[{{"type":"text","text":"{prompt}"}}]}}]',
            "ai.response.id": response,
            "gen_ai.response.id": response,
            "ai.response.timestamp": f"2026-11-24T15:04:{rng.uniform(0, 59.9):06.3f}Z",
            "ai.response.msToFirstChunk": first_chunk_ms,
            "ai.response.msToFinish": 1120 + rng.random(),
            "ai.response.avgOutputTokensPerSecond": output / (1.12 + rng.random() / 1000),
            "gen_ai.usage.input_tokens": uncached + cached,
            "gen_ai.usage.output_tokens": output,
        },
    )
    trace.add(OUTGOING, inner, at_ms + 4, first_chunk_ms)


def _int(value: recordings.Value) -> int:
    assert isinstance(value, int)
    return value
