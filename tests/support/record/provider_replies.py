"""What the stand-in for the model providers answers: bodies and streams in each provider's own shape.

The numbers differ from call to call (they grow with the call's number), so that a test which sums up the wrong
spans cannot get the right total by luck. Their shapes are those of the public API references: OpenAI counts cached and
reasoning tokens inside input and output, Anthropic counts cache reads and writes beside the input.

A prompt steers its answer by markers, so a recorded application needs no knob of its own:

* `[429]`: refused by the rate limiter,
* `[slow]`: streams long enough for a client to leave in the middle,
* `[long]`: more than 200,000 input tokens, where some models change their price,
* `[flex]`: served at the flex tier (OpenAI),
* `[1h]`: the cache write is kept for one hour (Anthropic).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]

DATED_MODELS = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}
WORDS = ("Hello ", "there, ", "it ", "is ", "21 ", "degrees ")
SLOW_WORDS = WORDS * 10
CREATED_AT = 1_764_000_000  # seconds; any moment will do, clients only pass it on
TOOL_ARGUMENTS = '{"city":"Paris"}'
OBJECT_TEXT = '{"city":"Paris","temperature":21}'


@dataclass(frozen=True)
class Call:
    """One request as the stand-in understood it. `number` counts the requests of a run from 1."""

    number: int
    api: str
    request: Body

    @property
    def model(self) -> str:
        """The dated model that answers, as providers report it."""
        requested = str(self.request.get("model", "unknown"))
        return DATED_MODELS.get(requested, requested)

    @property
    def stream(self) -> bool:
        """Whether the client asked for a stream."""
        return bool(self.request.get("stream"))

    @property
    def prompt(self) -> str:
        """The conversation as JSON text, in which the markers are looked for."""
        return json.dumps(self.request.get("messages", self.request.get("input", "")))

    @property
    def wants_tool(self) -> bool:
        """True while tools are offered and none was called yet."""
        answered = ('"tool_result"', '"role": "tool"', '"function_call_output"')
        return bool(self.request.get("tools")) and not any(mark in self.prompt for mark in answered)

    @property
    def text(self) -> str:
        """The answer, an object when the client asked for one."""
        wants_object = "json_schema" in json.dumps(
            [self.request.get(key) for key in ("response_format", "text", "output_config")]
        )
        return OBJECT_TEXT if wants_object else "".join(WORDS)

    @property
    def service_tier(self) -> str:
        """The tier that OpenAI's responses name."""
        return "flex" if "[flex]" in self.prompt else "default"

    @property
    def words(self) -> tuple[str, ...]:
        """The chunks of a streamed answer."""
        if self.text == OBJECT_TEXT:
            return (OBJECT_TEXT[:10], OBJECT_TEXT[10:])
        return SLOW_WORDS if "[slow]" in self.prompt else WORDS


def openai_tokens(call: Call) -> tuple[int, int, int, int]:
    """Input (with cached), cached, output (with reasoning) and reasoning tokens of an OpenAI call."""
    tokens_input = 210_000 + call.number if "[long]" in call.prompt else 1200 + 11 * call.number
    reasoning = 32 if call.model.startswith("gpt-5") else 0
    return tokens_input, 1024, 50 + call.number + reasoning, reasoning


def openai_chat_usage(call: Call) -> Body:
    """`usage` of the chat completions API."""
    tokens_input, cached, output, reasoning = openai_tokens(call)
    return {
        "prompt_tokens": tokens_input,
        "completion_tokens": output,
        "total_tokens": tokens_input + output,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }


def openai_responses_usage(call: Call) -> Body:
    """`usage` of the responses API."""
    tokens_input, cached, output, reasoning = openai_tokens(call)
    return {
        "input_tokens": tokens_input,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": tokens_input + output,
    }


def embeddings_usage(call: Call) -> Body:
    """`usage` of the embeddings API."""
    return {"prompt_tokens": 7 + call.number, "total_tokens": 7 + call.number}


def anthropic_usage(call: Call) -> Body:
    """`usage` of the messages API: cache reads and writes come on top of `input_tokens`."""
    is_long, one_hour = "[long]" in call.prompt, "[1h]" in call.prompt
    written = 0 if is_long else 300
    return {
        "input_tokens": 205_000 + call.number if is_long else 200 + call.number,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": 0 if is_long else 16_000,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if one_hour else written,
            "ephemeral_1h_input_tokens": written if one_hour else 0,
        },
        "output_tokens": 80 + call.number,
        "service_tier": "standard",
    }


def usage(call: Call) -> Body:
    """The usage of a call in the shape of its own API."""
    return {
        "openai.chat": openai_chat_usage,
        "openai.responses": openai_responses_usage,
        "openai.embeddings": embeddings_usage,
        "anthropic.messages": anthropic_usage,
    }[call.api](call)


def response_id(call: Call) -> str | None:
    """The id that the answer carries; embeddings have none."""
    prefixes = {"openai.chat": "chatcmpl-", "openai.responses": "resp_", "anthropic.messages": "msg_"}
    prefix = prefixes.get(call.api)
    return f"{prefix}{call.number:04d}" if prefix else None


def rate_limited(call: Call) -> Body:
    """The body of a 429."""
    if call.api.startswith("anthropic"):
        error: Body = {"type": "rate_limit_error", "message": "Number of request tokens has exceeded your limit"}
        return {"type": "error", "error": error}
    error = {"message": "Rate limit reached", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}
    return {"error": error}


def body(call: Call) -> Body:
    """The whole answer of a call that is not streamed."""
    return {
        "openai.chat": _chat_body,
        "openai.responses": _responses_body,
        "openai.embeddings": _embeddings_body,
        "anthropic.messages": _messages_body,
    }[call.api](call)


def events(call: Call) -> Iterator[tuple[str | None, Body | str]]:
    """The server-sent events of a streamed answer: name (None for the default) and data."""
    return {"openai.chat": _chat_events, "openai.responses": _responses_events, "anthropic.messages": _messages_events}[
        call.api
    ](call)


def _chat_body(call: Call) -> Body:
    message: Body = {"role": "assistant", "content": call.text, "refusal": None, "annotations": []}
    finish = "stop"
    if call.wants_tool:
        function = {"name": "getWeather", "arguments": TOOL_ARGUMENTS}
        tool_call = {"id": f"call_{call.number:04d}", "type": "function", "function": function}
        message |= {"content": None, "tool_calls": [tool_call]}
        finish = "tool_calls"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return _chat_frame(call, "chat.completion") | {"choices": [choice], "usage": usage(call)}


def _chat_frame(call: Call, kind: str) -> Body:
    frame: Body = {"id": response_id(call), "object": kind, "created": CREATED_AT, "model": call.model}
    return frame | {"service_tier": call.service_tier, "system_fingerprint": "fp_44709d6fcb"}


def _chat_events(call: Call) -> Iterator[tuple[str | None, Body | str]]:
    def chunk(delta: Body, finish: str | None = None) -> tuple[None, Body]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return None, _chat_frame(call, "chat.completion.chunk") | {"choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    for word in call.words:
        yield chunk({"content": word})
    yield chunk({}, "stop")
    if (call.request.get("stream_options") or {}).get("include_usage"):
        yield None, _chat_frame(call, "chat.completion.chunk") | {"choices": [], "usage": usage(call)}
    yield None, "[DONE]"


def _embeddings_body(call: Call) -> Body:
    given = call.request.get("input")
    count = len(given) if isinstance(given, list) else 1
    # "AACAPgAAAD8=" is [0.25, 0.5] as little-endian float32: OpenAI's Python client asks for base64.
    vector: list[float] | str = (
        "AACAPgAAAD8=" if call.request.get("encoding_format") == "base64" else [0.25, 0.5]
    )
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    return {"object": "list", "data": data, "model": call.model, "usage": usage(call)}


def _responses_frame(call: Call, status: str, output: list[Body]) -> Body:
    return {
        "id": response_id(call),
        "object": "response",
        "created_at": CREATED_AT,
        "status": status,
        "model": call.model,
        "output": output,
        "error": None,
        "incomplete_details": None,
        "service_tier": call.service_tier,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def _responses_message(call: Call, text: str) -> Body:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    frame: Body = {"type": "message", "id": f"msg_r{call.number:04d}", "role": "assistant", "status": "completed"}
    return frame | {"content": content}


def _responses_body(call: Call) -> Body:
    output = _responses_message(call, call.text)
    if call.wants_tool:
        output = {"type": "function_call", "id": f"fc_{call.number:04d}", "call_id": f"call_{call.number:04d}"}
        output |= {"name": "getWeather", "arguments": TOOL_ARGUMENTS, "status": "completed"}
    return _responses_frame(call, "completed", [output]) | {"usage": usage(call)}


def _responses_events(call: Call) -> Iterator[tuple[str | None, Body | str]]:
    def event(kind: str, number: int, **fields: Any) -> tuple[str, Body]:
        return kind, {"type": kind, "sequence_number": number} | fields

    item_id = f"msg_r{call.number:04d}"
    place = {"item_id": item_id, "output_index": 0, "content_index": 0}
    empty = _responses_message(call, "") | {"status": "in_progress", "content": []}
    done = _responses_message(call, "".join(call.words))
    yield event("response.created", 0, response=_responses_frame(call, "in_progress", []))
    yield event("response.output_item.added", 1, output_index=0, item=empty)
    for number, word in enumerate(call.words, start=2):
        yield event("response.output_text.delta", number, delta=word, logprobs=[], **place)
    last = len(call.words) + 2
    yield event("response.output_item.done", last, output_index=0, item=done)
    finished = _responses_frame(call, "completed", [done]) | {"usage": usage(call)}
    yield event("response.completed", last + 1, response=finished)


def _messages_frame(call: Call, content: list[Body], stop: str | None, counted: Body) -> Body:
    frame: Body = {"id": response_id(call), "type": "message", "role": "assistant", "model": call.model}
    return frame | {"content": content, "stop_reason": stop, "stop_sequence": None, "usage": counted}


def _messages_body(call: Call) -> Body:
    content: Body = {"type": "text", "text": call.text}
    stop = "end_turn"
    if call.wants_tool:
        given = json.loads(TOOL_ARGUMENTS)
        content = {"type": "tool_use", "id": f"toolu_{call.number:04d}", "name": "getWeather", "input": given}
        stop = "tool_use"
    return _messages_frame(call, [content], stop, usage(call))


def _messages_events(call: Call) -> Iterator[tuple[str | None, Body | str]]:
    def event(kind: str, **fields: Any) -> tuple[str, Body]:
        return kind, {"type": kind} | fields

    # Anthropic counts the first output token in message_start and the final sum in message_delta.
    started = _messages_frame(call, [], None, usage(call) | {"output_tokens": 1})
    yield event("message_start", message=started)
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in call.words:
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    yield event("content_block_stop", index=0)
    stopped = {"stop_reason": "end_turn", "stop_sequence": None}
    yield event("message_delta", delta=stopped, usage={"output_tokens": usage(call)["output_tokens"]})
    yield event("message_stop")
