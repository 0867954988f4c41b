"""Which spans may be repeats of something: the cheap question, asked of every span.

Most traces repeat nothing. They are told apart by counting equal fingerprints, before any text is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import polars as pl
import pyarrow.compute as pc

from otelbridge.analysis.grouping import (
    Flags,
    Hashes,
    Integers,
    as_index,
    flags,
    integers,
    mix,
    number,
    sizes,
    sizes_from,
)
from otelbridge.core import schema
from otelbridge.processors.n_plus_one.settings import Config, Detected
from otelbridge.processors.n_plus_one.statements import COLUMNS as STATEMENT_COLUMNS
from otelbridge.processors.n_plus_one.statements import INSERTS, WRITES, read_statements
from otelbridge.processors.n_plus_one.tree import NOWHERE, SpanTree
from otelbridge.semconv.templates import asks_for_a_page, url_template

HTTP, MCP, DB = 1, 2, 3
"""What a repeat is. HTTP and MCP are also their signals before it is known what exactly they repeat."""

COLUMNS: dict[Detected, frozenset[str]] = {
    "db": frozenset({"db.query.fingerprint", "db.query.normalized", *STATEMENT_COLUMNS}),
    "http": frozenset({"http.request.method", "url.full"}),
    "mcp": frozenset(),
}

TOOL_CALL = r"^(?:MCP send )?tools/call "
"""How the span of a call begins, by the semantic conventions; the Python SDK puts its own words in front."""

_HTTP_CLIENT, _MCP_CLIENT, _REDIS = pl.Series(["http.client", "mcp.client", "db.redis"]).hash().to_list()

_MANY_ROWS = r"\)\s*,\s*\(|db\.operation\.batch\.size"
"""What stands in the bytes of a span whose INSERT has many rows, or many statements: a batch is the cure, no repeat."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Spans that could be repeats if there are more of them; one entry a span.

    Attributes:
        rows: row in the batch, ascending.
        trace: hash of the trace id.
        signal: fingerprint of a query, else HTTP or MCP.
    """

    rows: Integers
    trace: Hashes
    signal: Hashes

    def only(self, chosen: Flags) -> Signals:
        """The chosen ones, in the same order."""
        return Signals(self.rows[chosen], self.trace[chosen], self.signal[chosen])


@dataclass(frozen=True, slots=True)
class Repeats:
    """Spans that may be repeats, ordered by start; one entry a span.

    Attributes:
        rows: row in the batch.
        trace: hash of the trace id.
        parent: span id of the parent, 0 when there is none.
        kind: DB, HTTP or MCP.
        signature: equal for repeats of the same thing: the statement's fingerprint, or a hash of the template.
        about: hash of operation and table; as the signature for what is no query.
        thing: which of the things it is about: differs for repeats of one template.
        write: it changes data.
        start_ns: start.
        end_ns: end, never before the start.
    """

    rows: Integers
    trace: Hashes
    parent: Hashes
    kind: Integers
    signature: Hashes
    about: Hashes
    thing: Hashes
    write: Flags
    start_ns: Integers
    end_ns: Integers

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, chosen: Flags | Integers) -> Self:
        """The chosen ones, in the same order."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))


def read_signals(spans: pl.DataFrame, trace_of_row: Hashes, config: Config) -> Signals:
    """The queries, GET requests and tool calls of a batch."""
    signal = np.zeros(spans.height, np.uint64)
    op = spans["op"].hash().to_numpy()
    if "http" in config.detect:
        signal[op == _HTTP_CLIENT] = HTTP
    if "mcp" in config.detect:
        signal[op == _MCP_CLIENT] = MCP
    if "db" in config.detect:
        fingerprint = integers(spans["db.query.fingerprint"])
        is_query = (fingerprint != 0) & (op != _REDIS)
        signal[is_query] = np.maximum(fingerprint[is_query], DB)
    rows = np.flatnonzero(signal)
    return Signals(rows, trace_of_row[rows], signal[rows])


def find_repeats(spans: pl.DataFrame, signals: Signals, config: Config) -> Repeats:
    """The spans that may be repeats; which of them stand in a trace with enough of their kind is all that is known."""
    if config.mode == "sentry":
        return _read(spans, signals.only(frequent(signals.trace, signals.signal, config)))
    # different statements on one table count together
    fewest = min(config.min_repeats, 2 * config.min_cycles, config.count + 1)
    return _read(spans, signals.only(sizes(signals.trace) >= fewest))


def frequent(trace: Hashes, what: Hashes, config: Config) -> Flags:
    """Which entries are not alone: enough of them in a trace for a loop, or for a part of an interleaved one."""
    keys = mix(trace, what)
    alike = sizes_from(keys, min(config.min_cycles, config.min_repeats))
    enough = alike >= config.min_repeats
    may_take_turns = np.flatnonzero(alike >= config.min_cycles)
    enough[may_take_turns] |= kinds_beside(trace[may_take_turns], alike[may_take_turns])
    return enough


def kinds_beside(place: Hashes, alike: Integers) -> Flags:
    """Whether there is more than one kind of entry at its place; `alike` says how many of the same kind there are."""
    of_place = number(place).of_row
    kinds = np.bincount(of_place, 1 / alike)  # the entries of a kind add up to 1
    return np.asarray(kinds[of_place] > 1.5)


def without_doubles(repeats: Repeats, tree: SpanTree) -> Repeats:
    """Count once what two instrumentations saw: the inner of two spans, and a span that was received twice."""
    entry_of_row = np.full(tree.height + 1, NOWHERE)
    entry_of_row[repeats.rows] = np.arange(len(repeats))
    parent_entry = entry_of_row[tree.parents(repeats.rows)]  # NOWHERE reads the last element, which is no row
    is_inner = (parent_entry != NOWHERE) & (repeats.signature[parent_entry] == repeats.signature)
    return repeats.only(~is_inner & tree.is_first(repeats.rows))


def _read(spans: pl.DataFrame, signals: Signals) -> Repeats:
    rows = signals.rows
    kind = np.minimum(signals.signal, DB).astype(np.int64)
    start_ns = spans["start_ns"].to_numpy()[rows]
    repeats = Repeats(
        rows=rows,
        trace=signals.trace,
        parent=integers(spans[schema.PARENT_SPAN_ID])[rows],
        kind=kind,
        signature=signals.signal.copy(),
        about=np.zeros(len(rows), np.uint64),
        thing=rows.astype(np.uint64),
        write=np.zeros(len(rows), np.bool_),
        start_ns=start_ns,
        end_ns=np.maximum(start_ns, spans["end_ns"].to_numpy()[rows]),
    )
    usable = np.ones(len(rows), np.bool_)
    for which, read in ((DB, _read_queries), (HTTP, _read_requests), (MCP, _read_tool_calls)):
        entries = np.flatnonzero(kind == which)
        if len(entries):
            usable[entries] = read(spans, repeats, entries)
    chosen = np.flatnonzero(usable)
    return repeats.only(chosen[np.argsort(start_ns[chosen], kind="stable")])


def _read_queries(spans: pl.DataFrame, repeats: Repeats, entries: Integers) -> Flags:
    distinct = number(repeats.signature[entries])
    statements = read_statements(spans, repeats.rows[entries[distinct.first]])
    repeats.about[entries] = np.array([statement.about for statement in statements], np.uint64)[distinct.of_row]
    repeats.write[entries] = np.array([statement.operation in WRITES for statement in statements])[distinct.of_row]
    usable = np.array([statement.is_about_data for statement in statements])[distinct.of_row]
    inserts = np.flatnonzero(np.array([statement.operation in INSERTS for statement in statements])[distinct.of_row])
    if len(inserts):
        raw = spans[schema.RAW][as_index(repeats.rows[entries[inserts]])].to_arrow()
        usable[inserts] &= ~flags(pl.Series(pc.match_substring_regex(raw.cast("binary"), _MANY_ROWS)))
    return usable


def _read_requests(spans: pl.DataFrame, repeats: Repeats, entries: Integers) -> Flags:
    index = as_index(repeats.rows[entries])
    asked = pl.DataFrame([spans[name][index] for name in ("http.request.method", "url.full")]).select(
        template=url_template(pl.col("url.full")).hash(),
        url=pl.col("url.full").hash(),
        usable=(pl.col("http.request.method") == "GET") & ~asks_for_a_page(pl.col("url.full")),
    )
    repeats.signature[entries] = repeats.about[entries] = integers(asked["template"])
    repeats.thing[entries] = integers(asked["url"])
    return flags(asked["usable"])


def _read_tool_calls(spans: pl.DataFrame, repeats: Repeats, entries: Integers) -> Flags:
    called = pl.DataFrame([spans["name"][as_index(repeats.rows[entries])]]).select(
        tool=pl.col("name").str.replace(TOOL_CALL, "").hash(), usable=pl.col("name").str.contains(TOOL_CALL)
    )
    repeats.signature[entries] = repeats.about[entries] = integers(called["tool"])
    return flags(called["usable"])
