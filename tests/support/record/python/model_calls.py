"""The calls of model providers that every Python instrumentation of them is recorded with.

They use the providers' own client libraries as an application does, and know nothing of tracing.
"""

from __future__ import annotations

from collections.abc import Callable

import anthropic
import httpx2
import openai
from app import to_stand_in

QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
REFUSED = [{"role": "user", "content": "[429] hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "getWeather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CHAT_MODEL = "gpt-4o-mini"
CLAUDE_MODEL = "claude-sonnet-4-5"

REFUSALS = (openai.RateLimitError, anthropic.RateLimitError)

Scenarios = dict[str, Callable[[], object]]


def openai_scenarios() -> Scenarios:
    """Chat completions (plain, tool, streamed in four ways, refused), responses and embeddings."""
    http_client = httpx2.Client(event_hooks={"request": [to_stand_in]})
    client = openai.OpenAI(api_key="not-a-key", http_client=http_client, max_retries=0)
    create = client.chat.completions.create

    def tool_call() -> None:
        first = create(model=CHAT_MODEL, messages=QUESTION, tools=[TOOL])
        asked = first.choices[0].message
        answer = {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "21 degrees"}
        create(model=CHAT_MODEL, messages=[*QUESTION, asked, answer], tools=[TOOL])

    def stream(**options: object) -> None:
        for _ in create(model=CHAT_MODEL, messages=QUESTION, stream=True, **options):
            pass

    def abandoned_stream() -> None:
        with create(model=CHAT_MODEL, messages=QUESTION, stream=True) as chunks:
            next(chunks)
            next(chunks)

    return {
        "openai/chat": lambda: create(model=CHAT_MODEL, messages=QUESTION, temperature=0.2),
        "openai/chat-tool": tool_call,
        "openai/stream-usage": lambda: stream(stream_options={"include_usage": True}),
        "openai/stream-no-usage": stream,
        "openai/stream-abandoned": abandoned_stream,
        "openai/chat-429": lambda: create(model=CHAT_MODEL, messages=REFUSED),
        "openai/stream-429": lambda: create(model=CHAT_MODEL, messages=REFUSED, stream=True),
        "openai/responses": lambda: client.responses.create(model="gpt-5-mini", input="Say hello"),
        "openai/embeddings": lambda: client.embeddings.create(model="text-embedding-3-small", input="a text"),
    }


def anthropic_scenarios() -> Scenarios:
    """Messages: plain, more than 200,000 input tokens, streamed, refused."""
    http_client = httpx2.Client(event_hooks={"request": [to_stand_in]})
    client = anthropic.Anthropic(api_key="not-a-key", http_client=http_client, max_retries=0)

    def create(prompt: str, **options: object) -> anthropic.types.Message:
        messages = [{"role": "user", "content": prompt}]
        return client.messages.create(model=CLAUDE_MODEL, max_tokens=100, messages=messages, **options)

    def stream() -> None:
        for _ in create("Say hello", stream=True):
            pass

    return {
        "anthropic/message": lambda: create("Say hello"),
        "anthropic/message-long": lambda: create("[long] summarise this"),
        "anthropic/stream": stream,
        "anthropic/message-429": lambda: create("[429] hello"),
    }
