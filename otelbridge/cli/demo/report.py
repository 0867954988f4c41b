"""The report: what the daemon received, kept and found, as plain text in 100 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from otelbridge.cli.demo import orders, outage, pool
from otelbridge.cli.demo.findings import (
    CAPACITY,
    CASCADE,
    DEGRADATION,
    ERROR_SPIKE,
    N_PLUS_ONE,
    RESOLVED,
    example,
    facts,
    raised,
)
from otelbridge.cli.demo.outcome import Balance, Call, Finding, Stored, Transaction
from otelbridge.cli.demo.provider import Billed
from otelbridge.processors.dynamic_sampling.settings import DEFAULT_RULE
from otelbridge.processors.dynamic_sampling.settings import Config as Sampling
from otelbridge.semconv.measurements import DB_QUERY_DURATION

WIDTH = 100
LABEL = 14  # width of what stands before a fact


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything the report is made of.

    Attributes:
        sent: spans that the application's SDKs exported.
        balance: what the daemon says became of them.
        stored: what Sentry would have got.
        bill: what the stand-in of the provider billed, call by call.
        seconds: how long it all took.
    """

    sent: int
    balance: Balance
    stored: Stored
    bill: tuple[Billed, ...]
    seconds: float


def report(shown: Shown, *, kept_folder: bool) -> list[str]:
    """The lines of the report."""
    stored = shown.stored
    sent_envelopes = stored.envelopes - sum(finding.state == RESOLVED for finding in stored.findings)
    lines = [
        *_section("Received", _received(shown)),
        *_section("Kept, and why", _kept(shown.balance)),
        *_section("Findings", _findings(stored)),
        *_section("Slow queries", (f"{message}, in {where}" for where, message in stored.slow_queries)),
        *_section("Errors", _errors(stored)),
        *_section("Cost of model calls", _costs(shown)),
        *_section(f"What Sentry would get: {sent_envelopes} envelopes", _envelopes(stored)),
        *_section("Balance", [_balance(shown.balance)]),
        *_section("Where to look next", _next(kept_folder=kept_folder)),
        f"Done in {shown.seconds:.1f} s.",
    ]
    return lines


def broken_promises(shown: Shown) -> list[str]:
    """What is not as the application made it; empty when all is well."""
    stored, balance = shown.stored, shown.balance
    counted = [(call.model, call.input_tokens, call.output_tokens) for call in stored.calls]
    billed = [(call.model, call.input_tokens, call.output_tokens) for call in shown.bill]
    slow_queries, errors = stored.slow_queries, stored.errors
    slower, spikes, spread, filling = (raised(stored, kind) for kind in (DEGRADATION, ERROR_SPIKE, CASCADE, CAPACITY))
    promises = {
        f"{balance.received} of {shown.sent} spans were received": balance.received == shown.sent,
        "received is not kept + dropped + held": balance.is_even,
        f"{balance.held} spans are undecided": balance.held == 0,
        f"{balance.waiting} kept spans are not delivered": balance.waiting == 0,
        "nothing was sampled out": "sampled_out" in balance.dropped,
        "the N+1 of GET /conversations was not found": any(
            "/conversations" in str(finding.context.get("route")) for finding in raised(stored, N_PLUS_ONE)
        ),
        f"{len(slower)} degradations were found, not the one of the queries of {orders.SERVICE}": (
            [finding.context.get("measurement") for finding in slower] == [DB_QUERY_DURATION.name]
        ),
        f"{len(spikes)} error spikes were found, not the one of {orders.ERROR}": (
            [finding.context.get("error_type") for finding in spikes] == [orders.ERROR]
        ),
        f"{balance.points} of {pool.POINTS} data points were received": balance.points == pool.POINTS,
        f"{len(filling)} findings of capacity were made, not the one of the pool {pool.NAME}": (
            [finding.context.get("measurement") for finding in filling] == [pool.USED]
        ),
        f"{len(spread)} cascades were found, not the one from {outage.ROOT}": (
            [(finding.context.get("root"), finding.context.get("count")) for finding in spread]
            == [(outage.ROOT, len(outage.SERVICES))]
        ),
        "the example of a finding was not kept": all(
            example(finding, stored) for finding in (*slower, *spikes, *spread)
        ),
        "the slow query of GET /search was not found": any("/search" in where for where, _ in slow_queries),
        "the exception of POST /ratings was not found": any("/ratings" in error.transaction for error in errors),
        "the tokens are not those that the provider billed": sorted(counted) == sorted(billed),
        "a model call has no cost": bool(stored.calls) and all(call.cost_usd for call in stored.calls),
        "a model call has no user": bool(stored.calls) and all(call.user for call in stored.calls),
    }
    return [what for what, is_kept in promises.items() if not is_kept]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> list[str]:
    """Columns under their names; `align` has `<` or `>` for each."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, align, widths, strict=True)).rstrip()
        for line in lines
    ]


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = list(lines) or ["none"]
    return [title, "-" * len(title), *(f"  {line}".rstrip() for line in body), ""]


def _fact(label: str, text: str) -> list[str]:
    """A label and its text, broken where it is long."""
    indent = " " * LABEL
    return wrap(text, WIDTH - 2, initial_indent=f"{label:<{LABEL}}", subsequent_indent=indent) if text else []


def _received(shown: Shown) -> Iterator[str]:
    requests = shown.balance.requests
    how = " and ".join(f"{number} requests over {transport}" for transport, number in sorted(requests.items()))
    yield f"{shown.balance.received} of {shown.sent} spans that the applications sent, in {how}"
    yield f"{shown.balance.points} data points of metrics, {shown.balance.watched_points} of them watched"


def _kept(balance: Balance) -> Iterator[str]:
    rates = {rule.name: rule.keep for rule in Sampling().rules} | {DEFAULT_RULE: Sampling().default_keep}
    rows = [
        (rule, f"{rates[rule]:g} %" if rule in rates else "", str(kept + dropped), str(kept), str(dropped))
        for rule, (kept, dropped) in balance.rules.items()
    ]
    yield from table(("rule", "keeps", "traces", "kept", "dropped"), rows, "<>>>>")


def _findings(stored: Stored) -> Iterator[str]:
    for finding in sorted(stored.findings, key=lambda one: str(one.context.get("time", ""))):
        if finding.state != RESOLVED:  # the end of one stands with its beginning
            yield finding.title
            for label, text in facts(finding, stored):
                yield from (f"  {line}" for line in _fact(label, text))


def _errors(stored: Stored) -> Iterator[str]:
    for error in stored.errors:
        yield f"{error.type}: {error.value}"
        for label, text in (
            ("in", error.transaction),
            ("raised by", error.frame),
            ("caused by", "; ".join(error.causes)),
        ):
            yield from (f"  {line}" for line in _fact(label, text))


def _costs(shown: Shown) -> Iterator[str]:
    calls = shown.stored.calls
    yield from _cost_table("model", calls, lambda call: call.model)
    yield ""
    yield from _cost_table("user", calls, lambda call: call.user or "(unknown)")
    unseen = sum(billed.cached_tokens for billed in shown.bill) - sum(call.cached_tokens for call in calls)
    if unseen:
        yield ""
        yield from wrap(
            f"The provider's answers say that {unseen:,} input tokens came from its cache, which costs less; "
            "OpenTelemetry's instrumentation of OpenAI does not pass that on, so they are priced in full.",
            WIDTH - 2,
        )


def _cost_table(by: str, calls: Sequence[Call], key: Callable[[Call], str]) -> list[str]:
    names = sorted({key(call) for call in calls})
    rows = [_cost_row(name, [call for call in calls if key(call) == name]) for name in names]
    return table(
        (by, "calls", "input tokens", "of them cached", "output tokens", "USD"),
        [*rows, _cost_row("all", calls)],
        "<>>>>>",
    )


def _cost_row(name: str, calls: Sequence[Call]) -> tuple[str, ...]:
    tokens = (
        sum(call.input_tokens for call in calls),
        sum(call.cached_tokens for call in calls),
        sum(call.output_tokens for call in calls),
    )
    cost = sum(call.cost_usd or 0.0 for call in calls)
    return (name, str(len(calls)), *(f"{number:,}" for number in tokens), f"{cost:.6f}")


def _envelopes(stored: Stored) -> Iterator[str]:
    grouped: dict[tuple[str, str, str, str], list[Transaction]] = {}
    for one in stored.transactions:
        grouped.setdefault((one.name, one.op, one.service, one.rule), []).append(one)
    rows = []
    for (name, op, service, rule), same in grouped.items():
        spans = Counter(one.spans for one in same).most_common(1)[0][0]
        slowest = max(one.duration_ms for one in same)
        rows.append((str(len(same)), name, op, service, str(spans), f"{slowest:.0f} ms", rule))
    head = ("count", "transaction", "op", "service", "spans", "slowest", "kept by rule")
    yield from table(head, rows, "><<<>><")
    yield ""
    yield from (f"    1  error event: {error.type}, in {error.transaction}" for error in stored.errors)
    yield from (f"    1  {_sent_as(finding)}: {finding.title}" for finding in stored.findings)


def _sent_as(finding: Finding) -> str:
    return "on demand, the end of a finding" if finding.state == RESOLVED else "finding"


def _balance(balance: Balance) -> str:
    dropped = ", ".join(f"{spans} {reason}" for reason, spans in balance.dropped.items()) or "nothing"
    sign = "=" if balance.is_even else "is NOT"
    total = sum(balance.dropped.values())
    return (
        f"{balance.received} spans received {sign} {balance.kept} kept + {total} dropped ({dropped}) "
        f"+ {balance.held} held"
    )


def _next(*, kept_folder: bool) -> Iterator[str]:
    if not kept_folder:
        yield "otelbridge demo --keep   keeps the envelopes and the daemon's log to look at"
    yield "make run                 starts it for your application, on 127.0.0.1:4317 and 127.0.0.1:4318"
    yield "SENTRY_DSN=... make run  ... and sends to Sentry what is kept"
    yield "docs/getting-started.md  your first application, step by step"
