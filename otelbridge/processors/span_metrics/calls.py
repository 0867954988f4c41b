"""Outcomes of operations and of calls, counted by the second: who failed how often, and who calls whom.

Counts add up the same however spans were cut into batches, so a row stands for all equal outcomes of its second. Rows
are told apart by numbers, the origin among them: what it says of service, environment and release is the same for all
of its spans.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.analysis.frames import text_codes
from otelbridge.analysis.grouping import (
    Flags,
    Hashes,
    Integers,
    as_index,
    find,
    flags,
    group_values,
    mix,
    number,
    taken,
)
from otelbridge.core.arrays import is_present
from otelbridge.core.measurements import COUNT, RELEASE, SERVICE, TIME, VALUE
from otelbridge.core.schema import ORIGIN, PARENT_SPAN_ID, SPAN_ID, TRACE_ID
from otelbridge.semconv.measurements import ERROR_RATE, SERVICE_CALL

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
FAILED = 2  # status
NANOSECONDS = 1_000_000_000

PEERS = ("db.system.name", "server.address", "gen_ai.provider.name")


def outcomes(spans: pl.DataFrame) -> pl.DataFrame:
    """Rows of `error.rate`: the operations of one service that ended alike in one second."""
    rows = np.flatnonzero(_are_operations(spans))
    failed = _have_failed(spans)[rows]
    errors = _classes_of_errors(spans, rows[failed])
    place = np.zeros(len(rows), np.int64)  # among the errors; 0: none
    place[failed] = np.arange(1, len(errors) + 1)
    names = pl.Series([None, *errors], dtype=pl.String)
    counted = _Counted(spans, rows, failed, text_codes(names)[place])
    return counted.frame(ERROR_RATE.keys, {"error.type": names[as_index(place[counted.last])]})


def calls_of_peers(spans: pl.DataFrame) -> pl.DataFrame:
    """Rows of `service.call` for what sends no spans itself: databases and model providers."""
    is_database = is_present(spans["db.system.name"])
    rows = np.flatnonzero(is_database | is_present(spans["gen_ai.provider.name"]))
    if not len(rows):
        return pl.DataFrame(schema=SERVICE_CALL.schema())
    index = as_index(rows)
    peers = mix(*(text_codes(spans[name][index]) for name in PEERS))
    counted = _Counted(spans, rows, _have_failed(spans)[rows], peers)
    said = taken(spans, PEERS, rows[counted.last])
    names = [_peer(*row) for row in said.iter_rows()]
    return counted.frame(SERVICE_CALL.keys, {"peer": pl.Series(names, dtype=pl.String)})


def calls_of_services(traces: pl.DataFrame) -> pl.DataFrame:
    """Rows of `service.call` between services, from whole traces: a server's span below its client's."""
    kinds = traces["kind"].to_numpy()
    served = np.flatnonzero(((kinds == SERVER) | (kinds == CONSUMER)) & is_present(traces[PARENT_SPAN_ID]))
    clients = np.flatnonzero((kinds == CLIENT) | (kinds == PRODUCER))
    if not (len(served) and len(clients)):
        return pl.DataFrame(schema=SERVICE_CALL.schema())
    # Span ids are unique but for accidents; equal ones of two traces are told apart by the traces.
    parents = traces[PARENT_SPAN_ID][as_index(served)].to_numpy().astype(np.uint64)
    place = find(parents, traces[SPAN_ID][as_index(clients)].to_numpy().astype(np.uint64))
    served, callers = served[place >= 0], clients[place[place >= 0]]
    trace_ids, services = traces[TRACE_ID], traces[SERVICE]
    below, above = as_index(served), as_index(callers)
    is_call = flags((trace_ids[below] == trace_ids[above]) & (services[below] != services[above]))
    served, callers = served[is_call], callers[is_call]
    peers = services[as_index(served)]
    status = traces["status"].to_numpy()
    failed = (status[callers] == FAILED) | (status[served] == FAILED)
    counted = _Counted(traces, callers, failed, text_codes(peers))
    return counted.frame(SERVICE_CALL.keys, {"peer": peers[as_index(counted.last)]})


class _Counted:
    """Rows that are equal in second, origin, outcome and one more number, as one; the last of them is the example.

    Groups stand in the order of their last rows: who reads on, in this batch or the next, ends with the last example.

    Attributes:
        last: of each group its last, as a place among `rows`.
    """

    def __init__(self, spans: pl.DataFrame, rows: Integers, failed: Flags, code: Hashes) -> None:
        second = spans["end_ns"].to_numpy()[rows] // NANOSECONDS
        key: Hashes = mix(second, spans[ORIGIN].to_numpy()[rows], failed, code)
        groups = number(np.broadcast_to(key, len(rows)))
        last = np.zeros(len(groups), np.int64)
        last[groups.of_row] = np.arange(len(rows))  # what is written last stays
        order = np.argsort(last)
        self.last: Integers = last[order]
        self._spans, self._rows, self._failed, self._second = spans, rows, failed, second
        self._counts = np.bincount(groups.of_row, minlength=len(groups))[order]

    def frame(self, keys: tuple[str, ...], made: dict[str, pl.Series]) -> pl.DataFrame:
        """The rows as measurements; `made` has key columns that the spans do not have."""
        index = as_index(self._rows[self.last])
        return pl.DataFrame(
            [
                pl.Series(TIME, self._second[self.last].astype(np.float64)),
                pl.Series(VALUE, self._failed[self.last].astype(np.float64)),
                pl.Series(COUNT, self._counts.astype(np.uint32)),
                *(self._spans[name][index] for name in (TRACE_ID, SPAN_ID, RELEASE)),
                *((made[key] if key in made else self._spans[key][index]).alias(key) for key in keys),
            ]
        )


def _have_failed(spans: pl.DataFrame) -> Flags:
    failed: Flags = spans["status"].to_numpy() == FAILED
    codes = spans["http.response.status_code"]
    if codes.null_count() < spans.height:
        failed = failed | ((spans["kind"].to_numpy() == SERVER) & flags(codes >= 500))
    return failed


def _are_operations(spans: pl.DataFrame) -> Flags:
    """What a service does for others or has done by others.

    Internal steps would count the same failure again and again; queries are many and fail together with what asks
    them, so that they would only thin out its rate.
    """
    ops = group_values([spans["op"]])
    names = spans["op"][as_index(ops.first)].to_list()
    is_internal = np.array([name == "default" for name in names], np.bool_)[ops.of_row]
    is_query = np.array([name is not None and name.startswith("db") for name in names], np.bool_)[ops.of_row]
    counts = flags(spans["is_segment"]) | (spans["kind"].to_numpy() >= SERVER) | ~is_internal
    return counts & ~is_query


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
