"""JSON of whole columns: fragments of it, each distinct one written once, put together by Arrow.

A span is some thirty fragments, and nearly all of them stand on other spans too. Writing each span on its own costs ten
times as much as gathering fragments by index. Arrays are LargeBinary: an export may be larger than 2 GiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

FRAGMENT = pa.large_binary()

Rows = npt.NDArray[np.int64]
"""Numbers of rows, or an index for each row."""
Mask = npt.NDArray[np.bool_]

_encoder = msgspec.json.Encoder()
encode_json: Callable[[Any], bytes] = _encoder.encode


def encoded_each(values: list[Any]) -> list[bytes]:
    """JSON of each value. Text has no line breaks in JSON, so that all can be written at once and told apart."""
    return _encoder.encode_lines(values).split(b"\n")[:-1]


class Texts:
    """A column of texts: the distinct ones, and which of them each row has."""

    def __init__(self, distinct: Iterable[str], index: Rows) -> None:
        self.distinct = list(distinct)
        self.index = index

    def __getitem__(self, row: int) -> str:
        return self.distinct[int(self.index[row])]

    def __setitem__(self, row: int, text: str) -> None:
        self.index[row] = len(self.distinct)
        self.distinct.append(text)

    def lengths(self) -> Rows:
        """Characters of each row's text."""
        return np.array([len(text) for text in self.distinct], np.int64)[self.index]


def arrow(column: pl.Series) -> pa.Array:
    """The column as an Arrow array without views, which Arrow has few functions for."""
    return column.to_arrow(compat_level=pl.CompatLevel.oldest())


def texts(column: pl.Series) -> Texts:
    """A String column; nulls are -1 in its index."""
    encoded = arrow(column).dictionary_encode()
    index = pc.fill_null(encoded.indices, -1) if encoded.null_count else encoded.indices
    return Texts(encoded.dictionary.to_pylist(), index.to_numpy().astype(np.int64))


class Pool:
    """Fragments of JSON, known by their numbers."""

    def __init__(self) -> None:
        self._arrays: list[pa.Array] = []
        self._pending: list[bytes] = []  # they become one array: making one costs more than what most of them hold
        self._height = 0

    def add(self, fragments: list[bytes] | pa.Array) -> int:
        """Add fragments; returns the number of the first, the others follow it."""
        if isinstance(fragments, list):
            self._pending += fragments
        else:
            self._settle()
            self._arrays.append(fragments)
        first = self._height
        self._height += len(fragments)
        return first

    def _settle(self) -> None:
        if self._pending:
            self._arrays.append(pa.array(self._pending, FRAGMENT))
            self._pending = []

    def taken(self, numbers: Rows) -> tuple[memoryview, Rows]:
        """These fragments one after the other, and where each begins, and the end."""
        self._settle()
        taken = pa.concat_arrays(self._arrays).take(pa.array(numbers))
        _, offsets, content = taken.buffers()
        return memoryview(content), np.frombuffer(offsets, np.int64)[: len(taken) + 1]


class Members:
    """Members of JSON objects, many for each row, each with a comma before it; those of one row stay in their order."""

    def __init__(self) -> None:
        self._fragments: list[bytes] = []
        self._numbers: list[Rows] = []
        self._rows: list[Rows] = []

    def add(self, fragments: list[bytes], rows: Rows, index: Rows) -> None:
        """Add members: these rows have them, and the index says which."""
        self._numbers.append(index + len(self._fragments))
        self._rows.append(rows)
        self._fragments += fragments

    def keep(self, which: Mask) -> None:
        """Leave out the members of all other rows."""
        rows, numbers = np.concatenate(self._rows), np.concatenate(self._numbers)
        wanted = which[rows]
        self._rows, self._numbers = [rows[wanted]], [numbers[wanted]]

    def by_row(self, height: int) -> tuple[list[bytes], Rows, Rows]:
        """Fragments, which of them stand one after the other, row by row, and how many each of `height` rows has."""
        rows = np.concatenate(self._rows)
        numbers = np.concatenate(self._numbers)[np.argsort(rows, kind="stable")]
        counts = np.bincount(rows, minlength=height)
        firsts = (np.cumsum(counts) - counts)[counts > 0]
        begin, index = np.unique(numbers[firsts], return_inverse=True)
        numbers[firsts] = index + len(self._fragments)
        without_comma = [self._fragments[number][1:] for number in begin.tolist()]
        return self._fragments + without_comma, numbers, counts


def span_ids(ids: npt.NDArray[np.uint64], before: bytes, after: bytes, present: Mask | None = None) -> pa.Array:
    """Span ids in hexadecimal between two texts; b"" where none is present."""
    lengths = np.full(len(ids), len(before) + 16 + len(after))
    if present is not None:
        ids = ids[present]
        lengths[~present] = 0
    digits = np.frombuffer(ids.astype(">u8").tobytes().hex().encode(), np.uint8).reshape(len(ids), 16)
    text = np.empty((len(ids), len(before) + 16 + len(after)), np.uint8)
    text[:, : len(before)] = np.frombuffer(before, np.uint8)
    text[:, len(before) : len(before) + 16] = digits
    text[:, len(before) + 16 :] = np.frombuffer(after, np.uint8)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return pa.Array.from_buffers(FRAGMENT, len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(text.tobytes())])


def seconds(nanoseconds: pl.Series) -> pa.Array:
    """Times in seconds, as JSON numbers, each with a comma after it."""
    # Divided by numpy: polars multiplies with the reciprocal, which is another number in the last digit.
    times = (nanoseconds.to_numpy() / 1e9).tolist()
    text = encode_json([*times, 0])  # the last one, which has no comma, is not among the fragments
    offsets = np.concatenate(([1], np.flatnonzero(np.frombuffer(text, np.uint8) == ord(",")) + 1))
    return pa.Array.from_buffers(FRAGMENT, len(times), [None, pa.py_buffer(offsets), pa.py_buffer(text)])
