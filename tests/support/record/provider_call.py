"""One request to the stand-in for the model providers, as far as its answer depends on it.

A prompt steers its answer by markers, so a recorded application needs no knob of its own:

* `[429]`: refused by the rate limiter,
* `[slow]`: streams long enough for a client to leave in the middle,
* `[long]`: more than 200,000 input tokens, where some models change their price,
* `[flex]`: served at the flex tier (OpenAI),
* `[1h]`: the cache write is kept for one hour (Anthropic).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]
Event = tuple[str | None, Body | str]  # name (None: the default) and data of a server-sent event

DATED_MODELS = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
}
WORDS = ("Hello ", "there, ", "it ", "is ", "21 ", "degrees ")
SLOW_WORDS = WORDS * 10
TOOL_NAME = "getWeather"
TOOL_ARGUMENTS = '{"city":"Paris"}'
OBJECT_TEXT = '{"city":"Paris","temperature":21}'


@dataclass(frozen=True)
class Call:
    """A request; `number` counts the requests of a run from 1, and makes ids and token counts differ."""

    number: int
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
    def refused(self) -> bool:
        """Whether the rate limiter refuses it."""
        return "[429]" in self.prompt

    @property
    def wants_tool(self) -> bool:
        """True while tools are offered and none was called yet."""
        answered = ('"tool_result"', '"role": "tool"', '"function_call_output"')
        return bool(self.request.get("tools")) and not any(mark in self.prompt for mark in answered)

    @property
    def wants_object(self) -> bool:
        """Whether the answer shall follow a JSON schema, wherever the API puts that wish."""
        places = ("response_format", "text", "output_config", "output_format")
        return any("json_schema" in json.dumps(self.request.get(place)) for place in places)

    @property
    def text(self) -> str:
        """The answer of a call that is not streamed."""
        return OBJECT_TEXT if self.wants_object else "".join(WORDS)

    @property
    def words(self) -> tuple[str, ...]:
        """The chunks of a streamed answer."""
        return SLOW_WORDS if "[slow]" in self.prompt else WORDS


@dataclass(frozen=True)
class Api:
    """How one HTTP API answers a call. `response_id` gives None where answers carry no id."""

    name: str
    response_id: Callable[[Call], str | None]
    usage: Callable[[Call], Body]
    service_tier: Callable[[Call], str]
    refusal: Callable[[Call], Body]
    body: Callable[[Call], Body]
    events: Callable[[Call], Iterator[Event]] | None = None
