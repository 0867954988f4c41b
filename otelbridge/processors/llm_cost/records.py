"""What `process` says of a span, and `process_traces` reads when its trace is whole: two columns between them.

The record of a call is a list of at most one element, because that is how a column is sparse: 8 bytes on each of the
many spans that are no call, against some 200 for a column a field.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from otelbridge.core.arrays import to_arrow
from otelbridge.core.schema import Column, DType
from otelbridge.processors.llm_cost.arrays import Rows
from otelbridge.semconv.classify import Role

ROLE = "llm.role"
CALL = "llm.call"

RECORD: dict[str, DType] = {
    "operation": pl.String,
    "operation_type": pl.UInt8,
    "provider": pl.String,
    "response_model": pl.String,
    "request_model": pl.String,
    "response_id": pl.String,
    "input": pl.Float64,
    "output": pl.Float64,
    "cache_read": pl.Float64,
    "cache_write": pl.Float64,
    "reasoning": pl.Float64,
    "total": pl.Float64,
    "cost_input": pl.Float64,
    "cost_output": pl.Float64,
    "cost": pl.Float64,
    "status": pl.UInt8,
}
"""Fields of `llm.call`: counts in tokens (see `usage`) and costs in USD, NaN where absent; operation_type is a
place in OPERATION_TYPES, status a `Status`."""

CALL_DTYPE = pl.List(pl.Struct(RECORD))

CALL_COLUMNS = (
    Column(ROLE, pl.UInt8, "", "1 call, 2 report of a call, 3 holds calls, 4 tool, 0 any other; gone in a whole trace"),
    Column(CALL, CALL_DTYPE, "", "what the span says of a model call; gone in a whole trace"),
)
"""Columns that `process` adds and `process_traces` takes away."""


class Status(IntEnum):
    """What is known of the cost of a call; its name in lower case is what a reader sees."""

    NO_USAGE = 0
    """No counts: a failed or abandoned call, or an instrumentation that does not count."""
    UNKNOWN_MODEL = 1
    """Counts, but no price for the model: no cost, never zero."""
    PRICED = 2
    REPORTED = 3
    """The cost is what the instrumentation or a gateway said."""


@dataclass(frozen=True, slots=True)
class Described:
    """The spans of a batch that have to do with a model, one element each, in the order of the batch.

    Attributes:
        rows: their rows in the batch.
        roles: the role of every span of the batch, see `Role`.
        records: what each says: a struct with the fields of RECORD.
        counted: the calls and reports with usage: their places among these spans.
    """

    rows: Rows
    roles: npt.NDArray[np.uint8]
    records: pa.StructArray
    counted: Rows

    @property
    def role(self) -> npt.NDArray[np.uint8]:
        """The role of each of these spans."""
        return self.roles[self.rows]

    def numbers(self, field: str) -> npt.NDArray[Any]:
        """A numeric field of the records."""
        values: npt.NDArray[Any] = self.records.field(field).to_numpy()
        return values

    def texts(self, field: str) -> pl.Series:
        """A field of text of the records."""
        return pl.Series(field, self.records.field(field))


def described(spans: pl.DataFrame) -> Described | None:
    """What was put into the columns `llm.role` and `llm.call`; None where that is nothing."""
    column = spans[ROLE]
    roles = (column.fill_null(Role.NONE) if column.null_count() else column).to_numpy()
    rows = np.flatnonzero(roles)
    if not rows.size:
        return None
    records = to_arrow(spans[CALL]).flatten()
    is_call = (roles[rows] == Role.CALL) | (roles[rows] == Role.REPORT)
    has_usage = records.field("status").to_numpy() != Status.NO_USAGE
    return Described(rows, roles, records, np.flatnonzero(is_call & has_usage))


def spread(
    rows: Rows, role: npt.NDArray[np.uint8], records: pa.StructArray, height: int
) -> tuple[pl.Series, pl.Series]:
    """The columns `llm.role` and `llm.call` of a batch: `role` and `records` are about these rows (ascending) of it."""
    roles = np.zeros(height, np.uint8)
    roles[rows] = role
    is_there = np.zeros(height, np.bool_)
    is_there[rows] = True
    offsets = np.concatenate([[0], np.cumsum(is_there)])
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), records, mask=pa.array(~is_there))
    return pl.Series(ROLE, roles), pl.Series(CALL, lists)


def no_records(height: int) -> tuple[pl.Series, pl.Series]:
    """The same columns where nothing is to be said."""
    return _NO_ROLE.new_from_index(0, height), _NO_CALL.new_from_index(0, height)


_NO_CALL = pl.Series(CALL, [None], CALL_DTYPE)
_NO_ROLE = pl.Series(ROLE, [Role.NONE], pl.UInt8)
