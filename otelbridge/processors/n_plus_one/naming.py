"""What to call a loop: names that are the same in every trace that has it, so that its findings are one issue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Integers, as_index
from otelbridge.processors.n_plus_one.candidates import DB, HTTP, MCP, TOOL_CALL
from otelbridge.processors.n_plus_one.loops import Loop
from otelbridge.processors.n_plus_one.statements import Statement, read_statements
from otelbridge.processors.n_plus_one.tree import NOWHERE, SpanTree
from otelbridge.semconv.templates import parameterise_name, url_template

MAX_NAMED = 4  # a turn of more statements than these is told by its first ones

_TEXTS = ("name", "service", "http.route", "http.request.method")

Texts = Mapping[str, Any]
"""What one row says: `_TEXTS`, `db.query.fingerprint` and template, as far as there are loops that have them."""


@dataclass(frozen=True, slots=True)
class Named:
    """A loop and what to call it.

    Attributes:
        loop: the loop.
        source: row of its source, NOWHERE when it has none.
        pattern: n_plus_one, interleaved, repeated_query, insert_loop (and other writes), http or mcp.
        what: what is repeated, for people.
        about: what is repeated, for machines: fingerprints or a template.
        table: table or tables; "" for what is no query.
        operation: SELECT, GET, tools/call.
        service: of the repeats.
        route: method and route of the segment, or its name.
        parent: name of the common ancestor, and of the parents below it when they are siblings.
    """

    loop: Loop
    source: int
    pattern: str
    what: str
    about: str
    table: str
    operation: str
    service: str
    route: str
    parent: str

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two loops the same problem."""
        return (self.service, self.route, self.parent, self.pattern, self.about)


def name_loops(found: list[tuple[Loop, int]], spans: pl.DataFrame, tree: SpanTree) -> list[Named]:
    """Loops and the rows of their sources -> the same, in the same order, with their names."""
    if not found:
        return []
    loops = [loop for loop, _ in found]
    first = np.array([loop.rows[0] for loop in loops])
    below = tree.parents(first)
    anchors = tree.find(
        np.array([loop.trace for loop in loops], np.uint64), np.array([loop.anchor for loop in loops], np.uint64)
    )
    segments = tree.segments(first)
    kinds = np.concatenate([loop.kinds[:MAX_NAMED] for loop in loops])
    texts = _read(spans, np.unique(np.concatenate([first, below, anchors, segments, kinds])), loops)
    statements = dict(zip(kinds.tolist(), read_statements(spans, kinds), strict=True))
    rows = zip(found, first.tolist(), below.tolist(), anchors.tolist(), segments.tolist(), strict=True)
    return [
        Named(
            loop=loop,
            source=source,
            **_repeated(loop, texts, statements),
            service=texts[row]["service"] or "",
            route=_route(texts.get(segment)),
            parent=_parent(loop, texts.get(anchor), texts.get(parent)),
        )
        for (loop, source), row, parent, anchor, segment in rows
    ]


def _read(spans: pl.DataFrame, rows: Integers, loops: list[Loop]) -> dict[int, Texts]:
    rows = rows[rows != NOWHERE]
    kinds = {loop.kind for loop in loops}
    index = as_index(rows)
    columns = {column: spans[column][index] for column in _TEXTS}
    if DB in kinds:
        columns["db.query.fingerprint"] = spans["db.query.fingerprint"][index]
    if HTTP in kinds:
        columns["template"] = spans["url.full"][index].to_frame("url").select(url_template(pl.col("url"))).to_series()
    texts = zip(*(column.to_list() for column in columns.values()), strict=True)
    return {row: dict(zip(columns, values, strict=True)) for row, values in zip(rows.tolist(), texts, strict=True)}


def _repeated(loop: Loop, texts: Mapping[int, Texts], statements: Mapping[int, Statement]) -> dict[str, str]:
    """pattern, what, about, table and operation of what is repeated."""
    rows = loop.kinds[:MAX_NAMED].tolist()
    if loop.kind == MCP:
        tool = re.sub(TOOL_CALL, "", texts[rows[0]]["name"])
        return {"pattern": "mcp", "what": tool, "about": tool, "table": "", "operation": "tools/call"}
    if loop.kind == HTTP:
        template = texts[rows[0]]["template"]
        return {"pattern": "http", "what": f"GET {template}", "about": template, "table": "", "operation": "GET"}
    turns = [statements[row] for row in rows]
    verb = turns[0].operation
    what = ", ".join(dict.fromkeys(f"{turn.operation} {turn.table}" for turn in turns))
    about = ",".join(sorted(f"{texts[row]['db.query.fingerprint']:016x}" for row in rows))
    if loop.level == 0:
        pattern, about = "repeated_query", what
    elif len(rows) > 1:
        pattern = "interleaved"
    else:
        pattern = f"{verb.lower()}_loop" if loop.write else "n_plus_one"
    table = ", ".join(dict.fromkeys(turn.table for turn in turns))
    return {"pattern": pattern, "what": what, "about": about, "table": table, "operation": verb}


def _route(segment: Texts | None) -> str:
    if segment is None:
        return ""
    if segment["http.route"]:
        return " ".join(filter(None, (segment["http.request.method"], segment["http.route"])))
    return parameterise_name(segment["name"] or "")


def _parent(loop: Loop, anchor: Texts | None, below: Texts | None) -> str:
    texts = (anchor, below if loop.level > 1 else None)
    return " > ".join(parameterise_name(text["name"] or "") for text in texts if text is not None)
