"""Answers of OpenAI's chat completions, responses and embeddings APIs.

Cached tokens are counted inside the input, reasoning tokens inside the output.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provider_call import TOOL_ARGUMENTS, TOOL_NAME, Api, Body, Call, Event

CREATED_AT = 1_764_000_000  # seconds; any moment will do, clients only pass it on
EMBEDDING = [0.25, 0.5]
EMBEDDING_BASE64 = "AACAPgAAAD8="  # the same as little-endian float32: OpenAI's Python client asks for this


@dataclass(frozen=True)
class Tokens:
    """What one call is billed for."""

    input: int
    cached: int
    output: int
    reasoning: int


def tokens(call: Call) -> Tokens:
    """Counts that differ from call to call; only the gpt-5 family reasons."""
    reasoning = 32 if call.model.startswith("gpt-5") else 0
    return Tokens(1200 + 11 * call.number, 1024, 50 + call.number + reasoning, reasoning)


def service_tier(call: Call) -> str:
    """The tier that served the call."""
    return "flex" if "[flex]" in call.prompt else "default"


def refusal(call: Call) -> Body:
    """The body of a 429."""
    message = f"Rate limit reached for {call.model}"
    return {"error": {"message": message, "type": "tokens", "param": None, "code": "rate_limit_exceeded"}}


def chat_id(call: Call) -> str:
    """The completion's id."""
    return f"chatcmpl-{call.number:04d}"


def chat_usage(call: Call) -> Body:
    """`usage` of chat completions."""
    counted = tokens(call)
    return {
        "prompt_tokens": counted.input,
        "completion_tokens": counted.output,
        "total_tokens": counted.input + counted.output,
        "prompt_tokens_details": {"cached_tokens": counted.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": counted.reasoning, "audio_tokens": 0},
    }


def _chat_head(call: Call, kind: str) -> Body:
    head: Body = {"id": chat_id(call), "object": kind, "created": CREATED_AT, "model": call.model}
    return head | {"service_tier": service_tier(call), "system_fingerprint": "fp_44709d6fcb"}


def chat_body(call: Call) -> Body:
    """A whole completion: a tool call first if tools are offered, then text."""
    message: Body = {"role": "assistant", "content": call.text, "refusal": None, "annotations": []}
    finish = "stop"
    if call.wants_tool:
        function = {"name": TOOL_NAME, "arguments": TOOL_ARGUMENTS}
        tool_call = {"id": f"call_{call.number:04d}", "type": "function", "function": function}
        message |= {"content": None, "tool_calls": [tool_call]}
        finish = "tool_calls"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return _chat_head(call, "chat.completion") | {"choices": [choice], "usage": chat_usage(call)}


def chat_events(call: Call) -> Iterator[Event]:
    """A streamed completion; usage comes last, and only if the client asked for it."""

    def chunk(delta: Body, finish: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return None, _chat_head(call, "chat.completion.chunk") | {"choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    for word in call.words:
        yield chunk({"content": word})
    yield chunk({}, "stop")
    if (call.request.get("stream_options") or {}).get("include_usage"):
        yield None, _chat_head(call, "chat.completion.chunk") | {"choices": [], "usage": chat_usage(call)}
    yield None, "[DONE]"


def responses_id(call: Call) -> str:
    """The response's id."""
    return f"resp_{call.number:04d}"


def responses_usage(call: Call) -> Body:
    """`usage` of responses."""
    counted = tokens(call)
    return {
        "input_tokens": counted.input,
        "input_tokens_details": {"cached_tokens": counted.cached},
        "output_tokens": counted.output,
        "output_tokens_details": {"reasoning_tokens": counted.reasoning},
        "total_tokens": counted.input + counted.output,
    }


def _response(call: Call, status: str, output: list[Body]) -> Body:
    head: Body = {"id": responses_id(call), "object": "response", "created_at": CREATED_AT}
    head |= {"status": status, "model": call.model, "service_tier": service_tier(call), "output": output}
    head |= {"error": None, "incomplete_details": None}
    return head | {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}


def _output_message(call: Call, text: str) -> Body:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    head: Body = {"type": "message", "id": f"msg_r{call.number:04d}", "role": "assistant"}
    return head | {"status": "completed", "content": content}


def responses_body(call: Call) -> Body:
    """A whole response: a tool call first if tools are offered, then text."""
    output = _output_message(call, call.text)
    if call.wants_tool:
        ids = {"id": f"fc_{call.number:04d}", "call_id": f"call_{call.number:04d}"}
        output = {"type": "function_call", "name": TOOL_NAME, "arguments": TOOL_ARGUMENTS}
        output |= {"status": "completed"} | ids
    return _response(call, "completed", [output]) | {"usage": responses_usage(call)}


def responses_events(call: Call) -> Iterator[Event]:
    """A streamed response; its usage comes with the last event."""

    def event(kind: str, number: int, **fields: Any) -> Event:
        return kind, {"type": kind, "sequence_number": number} | fields

    done = _output_message(call, "".join(call.words))
    begun = done | {"status": "in_progress", "content": []}
    place = {"item_id": done["id"], "output_index": 0, "content_index": 0}
    yield event("response.created", 0, response=_response(call, "in_progress", []))
    yield event("response.output_item.added", 1, output_index=0, item=begun)
    for number, word in enumerate(call.words, start=2):
        yield event("response.output_text.delta", number, delta=word, logprobs=[], **place)
    last = len(call.words) + 2
    yield event("response.output_item.done", last, output_index=0, item=done)
    finished = _response(call, "completed", [done]) | {"usage": responses_usage(call)}
    yield event("response.completed", last + 1, response=finished)


def embeddings_usage(call: Call) -> Body:
    """`usage` of embeddings: input alone."""
    return {"prompt_tokens": 7 + call.number, "total_tokens": 7 + call.number}


def embeddings_body(call: Call) -> Body:
    """One vector for each input."""
    given = call.request.get("input")
    count = len(given) if isinstance(given, list) else 1
    vector = EMBEDDING_BASE64 if call.request.get("encoding_format") == "base64" else EMBEDDING
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    return {"object": "list", "data": data, "model": call.model, "usage": embeddings_usage(call)}


CHAT = Api("openai.chat", chat_id, chat_usage, service_tier, refusal, chat_body, chat_events)
RESPONSES = Api(
    "openai.responses", responses_id, responses_usage, service_tier, refusal, responses_body, responses_events
)
EMBEDDINGS = Api("openai.embeddings", lambda call: None, embeddings_usage, service_tier, refusal, embeddings_body)
