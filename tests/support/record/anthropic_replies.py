"""Answers of Anthropic's messages API. Cache reads and writes are counted beside `input_tokens`, not inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from provider_call import TOOL_ARGUMENTS, TOOL_NAME, Api, Body, Call, Event

CACHE_READ_TOKENS = 16_000
CACHE_WRITE_TOKENS = 300


def response_id(call: Call) -> str:
    """The message's id."""
    return f"msg_{call.number:04d}"


def usage(call: Call) -> Body:
    """The `usage` object; a long call has no cache, so that its size is all input."""
    is_long = "[long]" in call.prompt
    written = 0 if is_long else CACHE_WRITE_TOKENS
    one_hour = written if "[1h]" in call.prompt else 0
    return {
        "input_tokens": (205_000 if is_long else 200) + call.number,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": 0 if is_long else CACHE_READ_TOKENS,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written - one_hour,
            "ephemeral_1h_input_tokens": one_hour,
        },
        "output_tokens": 180 + call.number,
        "service_tier": "standard",
    }


def refusal(call: Call) -> Body:
    """The body of a 429."""
    error = {"type": "rate_limit_error", "message": "Number of request tokens has exceeded your limit"}
    return {"type": "error", "error": error, "request_id": f"req_{call.number:04d}"}


def _message(call: Call, content: list[Body], stop: str | None, counted: Body) -> Body:
    head: Body = {"id": response_id(call), "type": "message", "role": "assistant", "model": call.model}
    return head | {"content": content, "stop_reason": stop, "stop_sequence": None, "usage": counted}


def body(call: Call) -> Body:
    """A whole answer: a tool call first if tools are offered, then text."""
    if not call.wants_tool:
        return _message(call, [{"type": "text", "text": call.text}], "end_turn", usage(call))
    tool_use: Body = {"type": "tool_use", "id": f"toolu_{call.number:04d}", "name": TOOL_NAME}
    return _message(call, [tool_use | {"input": json.loads(TOOL_ARGUMENTS)}], "tool_use", usage(call))


def events(call: Call) -> Iterator[Event]:
    """A streamed answer. message_start counts the first output token, message_delta the final sum."""

    def event(kind: str, **fields: Any) -> Event:
        return kind, {"type": kind} | fields

    yield event("message_start", message=_message(call, [], None, usage(call) | {"output_tokens": 1}))
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in call.words:
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    yield event("content_block_stop", index=0)
    stopped = {"stop_reason": "end_turn", "stop_sequence": None}
    yield event("message_delta", delta=stopped, usage={"output_tokens": usage(call)["output_tokens"]})
    yield event("message_stop")


MESSAGES = Api("anthropic.messages", response_id, usage, lambda call: "standard", refusal, body, events)
