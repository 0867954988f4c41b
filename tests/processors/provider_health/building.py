"""Calls to a provider that succeed, fail, take long or were retried, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from otelbridge.processors.provider_health.processor import SCORE
from tests.processors.running import Running
from tests.support.otlp import SpanTree, request, request_of, span, spans_of, trace_id

ERROR = 2


def running(*, with_cost: bool = True, **settings: Any) -> Running:
    return Running(**({"llm_cost": {}} if with_cost else {}), provider_health=settings)


def call(*children: SpanTree, ms: float = 100.0, status: int = 0, start_ms: float = 0.0, **attributes: Any) -> SpanTree:
    """A call; attributes with `__` for dots and None for absent ones."""
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        **{key.replace("__", "."): value for key, value in attributes.items()},
    }
    present = {key: value for key, value in given.items() if value is not None}
    return span("chat", *children, ms=ms, status=status, start_ms=start_ms, attributes=present)


def failed(**fields: Any) -> SpanTree:
    return call(status=ERROR, **fields)


class Traffic:
    """A trace a call, one after the other."""

    def __init__(self, run: Running) -> None:
        self.run = run
        self._traces = 0

    def feed(self, trees: Iterable[SpanTree], **resource: Any) -> None:
        """All of them in one record."""
        spans = []
        for tree in trees:
            self._traces += 1
            tree.start_ms += self._traces * 1000.0
            spans += spans_of(tree, trace_id(self._traces))
        self.run.feed(request_of(spans, {"service.name": "shop", **resource}))

    def states(self) -> list[str]:
        """What was sent about providers."""
        return [finding.state for finding in self.run.findings if finding.kind == "provider_health"]


def scores(*trees: SpanTree, with_cost: bool = True) -> list[int]:
    run = running(with_cost=with_cost)
    run.feed(request(*trees))
    return run.spans.filter(pl.col(SCORE).is_not_null())[SCORE].to_list()
