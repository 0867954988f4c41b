"""Outcomes of operations and of calls, counted by the second: who failed how often, and who calls whom.

Counts add up the same however spans were cut into batches, so a row stands for all equal outcomes of its second. Rows
are told apart by numbers, the origin among them: what it says of service, environment and release is the same for all
of its spans.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.analysis.frames import begins_with, text_codes
from otelbridge.analysis.grouping import (
    Flags,
    Hashes,
    Integers,
    as_index,
    distinct,
    find,
    flags,
    mix,
    number,
    taken,
)
from otelbridge.core.arrays import is_present, items
from otelbridge.core.measurements import COUNT, RELEASE, SERVICE, TIME, VALUE
from otelbridge.core.schema import ORIGIN, PARENT_SPAN_ID, SPAN_ID, STATUS_ERROR, TRACE_ID
from otelbridge.semconv.measurements import ERROR_RATE, SERVICE_CALL

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
SERVER_ERROR = 500  # the lowest status of HTTP that is the server's fault
NANOSECONDS = 1_000_000_000

PEERS = ("db.system.name", "server.address", "gen_ai.provider.name")


class Endings:
    """When and how each span ended, and whose it is: what outcomes and calls are counted by.

    Attributes:
        second: since the epoch.
        failed: it says so, or it answered with a status that says so.
        key: a hash of both and the origin.
    """

    def __init__(self, spans: pl.DataFrame, failed: Flags) -> None:
        self.second: Integers = spans["end_ns"].to_numpy() // NANOSECONDS
        self.failed = failed
        self.key = mix(self.second, spans[ORIGIN].to_numpy(), failed)


def outcomes(spans: pl.DataFrame, endings: Endings) -> pl.DataFrame:
    """Rows of `error.rate`: the operations of one service that ended alike in one second."""
    rows = np.flatnonzero(_are_operations(spans))
    failed = np.flatnonzero(endings.failed[rows])
    errors, error_of = distinct(_classes_of_errors(spans, rows[failed]))
    names = [None, *errors]
    places = np.zeros(len(rows), np.int64)
    places[failed] = 1 + error_of
    counted = _Counted(spans, endings, rows, places)
    told = [names[place] for place in places[counted.last].tolist()]
    return counted.frame(ERROR_RATE.keys, {"error.type": pl.Series(told, dtype=pl.String)})


def calls_of_peers(spans: pl.DataFrame, endings: Endings) -> pl.DataFrame | None:
    """Rows of `service.call` for what sends no spans itself: databases and model providers."""
    told = [name for name in PEERS if spans[name].null_count() < spans.height]
    has_peer = np.zeros(spans.height, np.bool_)
    for name in {"db.system.name", "gen_ai.provider.name"}.intersection(told):
        has_peer |= is_present(spans[name])
    rows = np.flatnonzero(has_peer)
    if not len(rows):
        return None
    counted = _Counted(spans, endings, rows, *(text_codes(spans[name], rows) for name in told))
    said = taken(spans, PEERS, rows[counted.last]).get_columns()
    names = list(map(_peer, *(column.to_list() for column in said)))
    return counted.frame(SERVICE_CALL.keys, {"peer": pl.Series(names, dtype=pl.String)})


def calls_of_services(traces: pl.DataFrame) -> pl.DataFrame | None:
    """Rows of `service.call` between services, from whole traces: a server's span below its client's."""
    kinds = traces["kind"].to_numpy()
    served = np.flatnonzero(((kinds == SERVER) | (kinds == CONSUMER)) & is_present(traces[PARENT_SPAN_ID]))
    clients = np.flatnonzero((kinds == CLIENT) | (kinds == PRODUCER))
    if not (len(served) and len(clients)):
        return None
    # Span ids are unique but for accidents; equal ones of two traces are told apart by the traces.
    parents = traces[PARENT_SPAN_ID][as_index(served)].to_numpy().astype(np.uint64)
    place = find(parents, traces[SPAN_ID][as_index(clients)].to_numpy().astype(np.uint64))
    served, callers = served[place >= 0], clients[place[place >= 0]]
    trace_ids, services = traces[TRACE_ID], traces[SERVICE]
    below, above = as_index(served), as_index(callers)
    is_call = flags((trace_ids[below] == trace_ids[above]) & (services[below] != services[above]))
    served, callers = served[is_call], callers[is_call]
    if not len(served):
        return None
    peers = services[as_index(served)]
    failed = traces["status"].to_numpy() == STATUS_ERROR
    failed[callers] |= failed[served]
    counted = _Counted(traces, Endings(traces, failed), callers, text_codes(peers))
    return counted.frame(SERVICE_CALL.keys, {"peer": peers[as_index(counted.last)]})


class _Counted:
    """Rows that are equal in second, origin, outcome and some more numbers, as one; the last of them is the example.

    Groups stand in the order of their last rows: who reads on, in this batch or the next, ends with the last example.

    Attributes:
        last: of each group its last, as a place among `rows`.
    """

    def __init__(self, spans: pl.DataFrame, endings: Endings, rows: Integers, *codes: Hashes | Integers) -> None:
        groups = number(mix(endings.key[rows], *codes))
        last = np.zeros(len(groups), np.int64)
        last[groups.of_row] = np.arange(len(rows))  # what is written last stays
        order = np.argsort(last)
        self.last: Integers = last[order]
        self._spans, self._endings, self._rows = spans, endings, rows[self.last]
        self._counts = np.bincount(groups.of_row, minlength=len(groups))[order]

    def frame(self, keys: tuple[str, ...], made: dict[str, pl.Series]) -> pl.DataFrame:
        """The rows as measurements; `made` has key columns that the spans do not have."""
        rows, index = self._rows, as_index(self._rows)
        return pl.DataFrame(
            [
                pl.Series(TIME, self._endings.second[rows].astype(np.float64)),
                pl.Series(VALUE, self._endings.failed[rows].astype(np.float64)),
                pl.Series(COUNT, self._counts.astype(np.uint32)),
                *(self._spans[name][index] for name in (TRACE_ID, SPAN_ID, RELEASE)),
                *((made[key] if key in made else self._spans[key][index]).alias(key) for key in keys),
            ]
        )


def have_failed(spans: pl.DataFrame) -> Flags:
    """Which spans say so, or answered with a status that says so."""
    failed: Flags = spans["status"].to_numpy() == STATUS_ERROR
    codes = spans["http.response.status_code"]
    if codes.null_count() < spans.height:
        is_server_error = (items(codes).values >= SERVER_ERROR) & is_present(codes)
        failed |= is_server_error & (spans["kind"].to_numpy() == SERVER)
    return failed


def _are_operations(spans: pl.DataFrame) -> Flags:
    """What a service does for others or has done by others.

    Internal steps would count the same failure again and again; queries are many and fail together with what asks
    them, so that they would only thin out its rate.
    """
    ops = spans["op"]
    counts = flags(spans["is_segment"]) | (spans["kind"].to_numpy() >= SERVER) | ~flags(ops == "default")
    return counts & ~begins_with(ops, "db")


def _classes_of_errors(spans: pl.DataFrame, failed: Integers) -> list[str]:
    """The error's class where the span says it, else the HTTP status."""
    index = as_index(failed)
    codes = spans["http.response.status_code"][index].to_list()
    said = zip(spans["error.type"][index].to_list(), codes, strict=True)
    return [name or (str(code) if code is not None else "error") for name, code in said]


def _peer(system: str | None, address: str | None, provider: str | None) -> str | None:
    if system is None:
        return provider
    return f"{system}@{address}" if address else system
