"""The component: passes spans through, and measures what is watched."""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Flags, as_index, flags
from otelbridge.core.arrays import is_present
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentSpec, Kind, Processor
from otelbridge.core.measurements import ENVIRONMENT, RELEASE, SERVICE, measured
from otelbridge.otlp.columns import ATTRIBUTE_PREFIX
from otelbridge.processors.span_metrics.calls import (
    CLIENT,
    SERVER,
    Endings,
    calls_of_peers,
    calls_of_services,
    have_failed,
    outcomes,
)
from otelbridge.processors.span_metrics.settings import Config, CustomMeasurement
from otelbridge.semconv.measurements import ERROR_RATE, HTTP_ROUTE_DURATION, MCP_CALL_DURATION, SERVICE_CALL

_TOOL_CALL = "tools/call"  # the method of the Model Context Protocol
_OUTCOMES = frozenset({ERROR_RATE.name, SERVICE_CALL.name})
_OWN = _OUTCOMES | {HTTP_ROUTE_DURATION.name, MCP_CALL_DURATION.name}


class SpanMetrics(Processor):
    """Makes those measurements that somebody watches; has no state."""

    def __init__(self, config: Config, watched: frozenset[str]) -> None:
        self._watched = watched
        self._custom = [one for one in config.custom if one.name in watched]

    def process(self, batch: Batch) -> Batch:
        """Measures what a span tells by itself."""
        if not self._watched.isdisjoint(_OWN):
            batch = self._with_own(batch, have_failed(batch.spans))
        for one in self._custom:
            batch = batch.add_measurements(one.name, _of_attribute(one, batch.spans))
        return batch

    def process_traces(self, batch: Batch) -> Batch:
        """Measures what only the whole trace tells: which service called which."""
        if SERVICE_CALL.name in self._watched:
            return batch.add_measurements(SERVICE_CALL.name, calls_of_services(batch.spans))
        return batch

    def _with_own(self, batch: Batch, failed: Flags) -> Batch:
        spans = batch.spans
        if HTTP_ROUTE_DURATION.name in self._watched:
            batch = batch.add_measurements(HTTP_ROUTE_DURATION.name, _requests(spans, failed))
        if MCP_CALL_DURATION.name in self._watched:
            batch = batch.add_measurements(MCP_CALL_DURATION.name, _tool_calls(spans, failed))
        if not self._watched.isdisjoint(_OUTCOMES):
            batch = self._with_outcomes(batch, Endings(spans, failed))
        return batch

    def _with_outcomes(self, batch: Batch, endings: Endings) -> Batch:
        spans = batch.spans
        if ERROR_RATE.name in self._watched:
            batch = batch.add_measurements(ERROR_RATE.name, outcomes(spans, endings))
        if SERVICE_CALL.name in self._watched:
            batch = batch.add_measurements(SERVICE_CALL.name, calls_of_peers(spans, endings))
        return batch


def _requests(spans: pl.DataFrame, failed: Flags) -> pl.DataFrame | None:
    """On the spans of servers that know their route, and did not fail: a failure may be quick."""
    rows = np.flatnonzero((spans["kind"].to_numpy() == SERVER) & is_present(spans["http.route"]) & ~failed)
    return measured(HTTP_ROUTE_DURATION, spans, rows, spans["duration_ms"].to_numpy()[rows])


def _tool_calls(spans: pl.DataFrame, failed: Flags) -> pl.DataFrame | None:
    """On the spans of clients and servers that did not fail; the tool span around them tells of the same call again."""
    if spans["mcp.method.name"].null_count() == spans.height:
        return None
    kinds = spans["kind"].to_numpy()
    is_call = flags(spans["mcp.method.name"] == _TOOL_CALL) & ((kinds == CLIENT) | (kinds == SERVER))
    rows = np.flatnonzero(is_call & ~failed)
    return measured(MCP_CALL_DURATION, spans, rows, spans["duration_ms"].to_numpy()[rows])


def _of_attribute(one: CustomMeasurement, spans: pl.DataFrame) -> pl.DataFrame | None:
    column = spans[ATTRIBUTE_PREFIX + one.attribute]
    rows = np.flatnonzero(is_present(column))
    numbers = column[as_index(rows)].cast(pl.Float64, strict=False).to_numpy() * one.scale
    kind = one.kind()
    texts = {key: spans[key][as_index(rows)].cast(pl.String) for key in kind.keys if spans[key].dtype != pl.String}
    return measured(kind, spans, rows, numbers, texts)


def _reads(config: Config) -> frozenset[str]:
    custom = {column for one in config.custom for column in (ATTRIBUTE_PREFIX + one.attribute, *one.keys)}
    return READS | custom


READS = frozenset(
    {SERVICE, ENVIRONMENT, RELEASE, "op", "duration_ms", "is_segment", "error.type", "http.response.status_code",
     "http.request.method", "http.route", "mcp.method.name", "mcp.server.name", "gen_ai.tool.name", "db.system.name",
     "server.address", "gen_ai.provider.name"}
)  # fmt: skip

SPEC = ComponentSpec(
    kind=Kind.PROCESSOR,
    name="span_metrics",
    config=Config,
    build=lambda config, context: SpanMetrics(config, context.measurements),
    summary="Measures durations, error rates and calls between services on all spans, for trackers to watch",
    reads=_reads,
    carries=lambda _config: frozenset({SERVICE, ENVIRONMENT, RELEASE}),
    measures=lambda config: _OWN | {one.name for one in config.custom},
)
