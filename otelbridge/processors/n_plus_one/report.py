"""From named loops to findings."""

from __future__ import annotations

from collections import Counter

from otelbridge.analysis.throttle import Throttle
from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.core.findings import Finding
from otelbridge.processors.n_plus_one.candidates import DB
from otelbridge.processors.n_plus_one.naming import Named
from otelbridge.processors.n_plus_one.tree import NOWHERE

KIND = "n_plus_one"
MAX_FINDINGS_OF_TRACE = 20  # who has more needs no list but another design; generated statements cannot flood Sentry
MAX_EXAMPLE_CHARS = 2000  # enough to recognise a statement; a context has room for 7,000 bytes

_TITLES = {
    "n_plus_one": "N+1 query",
    "interleaved": "N+1 queries in turn",
    "repeated_query": "Repeated query",
    "http": "N+1 HTTP request",
    "mcp": "N+1 tool call",
}


def findings_of(loops: list[Named], batch: Batch, throttle: Throttle) -> list[Finding]:
    """One finding for each problem of each trace, in order; those reported lately only count."""
    problems: dict[tuple[int, tuple[str, ...]], list[Named]] = {}
    for named in sorted(loops, key=lambda named: int(named.loop.rows[0])):
        problems.setdefault((named.loop.trace, named.key), []).append(named)
    told: Counter[int] = Counter()
    findings = []
    for (trace, key), same in problems.items():
        told[trace] += 1
        if told[trace] > MAX_FINDINGS_OF_TRACE:
            continue
        traces = throttle.admit(key, batch.now)
        if traces is not None:
            findings.append(_finding(same, traces, batch))
    return findings


def _finding(same: list[Named], traces: int, batch: Batch) -> Finding:
    first = same[0]
    row = int(first.loop.rows[0])
    span = batch.spans.row(row, named=True)
    title = _TITLES.get(first.pattern) or f"{first.operation.capitalize()} loop"
    context = {
        "pattern": first.pattern,
        "parent": first.parent,
        "route": first.route,
        "count": sum(named.loop.repeats for named in same),
        "total_ms": round(sum(named.loop.union_ms for named in same), 1),
        "operation": first.operation,
        "table": first.table,
        "example": _example(first, row, batch),
        "source": _example(first, first.source, batch),
        "count_since_last": traces,
    }
    return Finding(
        kind=KIND,
        level="warning",
        title=f"{title}: {first.what}" + (f" in {first.route}" if first.route else ""),
        key=first.key,
        time=batch.now,
        tags={
            tag: text
            for tag, text in (("pattern", first.pattern), ("table", first.table), ("route", first.route))
            if text
        },
        contexts={KIND: {name: value for name, value in context.items() if value not in ("", None)}},
        trace_id=span[schema.TRACE_ID],
        span_id=span[schema.SPAN_ID],
        service=first.service,
        environment=span["environment"] or "",
        release=span["release"] or "",
    )


def _example(named: Named, row: int, batch: Batch) -> str:
    """The statement without its values; for what is no query, what is repeated."""
    if row == NOWHERE:
        return ""
    if named.loop.kind != DB:
        return named.what if row != named.source else ""
    texts = batch.spans.select("db.query.normalized", "db.query.summary").row(row)
    return next((text for text in texts if text), "")[:MAX_EXAMPLE_CHARS]
