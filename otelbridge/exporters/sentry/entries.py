"""The attributes of spans, each an entry: which span it is on, and under which name it goes into its data, if at all.

A renamed attribute goes there when nothing else of that name does.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import cached_property

import numpy as np
import pyarrow as pa

from otelbridge.exporters.sentry.attributes import DATA, RENAMED, Fate, is_fate
from otelbridge.exporters.sentry.fragments import Mask, Rows
from otelbridge.exporters.sentry.survivors import Survivors

NOTHING = -1
_CELLS = 32  # so much larger than its entries may a table of rows and names be


class Entries:
    """The entries of the rows of `Survivors`, in the order in which the spans have them.

    Attributes:
        attributes: index into `spans.attributes`, one an entry, as all that follow.
        rows: of the span.
        names: number of the name in data; NOTHING where it does not go there.
        number_of: name -> its number.
    """

    def __init__(self, spans: Survivors) -> None:
        self._height = spans.height
        self._fate_of, self._name_of = spans.attributes.fates, spans.attributes.name_of
        self.number_of: Mapping[str, int] = {name: i for i, name in enumerate(spans.attributes.names)}
        self.attributes: Rows = spans.details.attributes.astype(np.int64)
        self.rows: Rows = np.repeat(np.arange(spans.height), np.diff(spans.details.offsets))
        self.names: Rows = np.where(self._fate_of == DATA, self._name_of, NOTHING)[self.attributes]
        renamed = np.flatnonzero((self._fate_of == RENAMED)[self.attributes])
        if len(renamed):
            stay = self._not_said_otherwise(renamed)
            self.names[stay] = self._name_of[self.attributes[stay]]

    def _not_said_otherwise(self, renamed: Rows) -> Rows:
        """Of renamed entries those whose name no plain entry of the span has, and no renamed one before them."""
        width = len(self.number_of)
        is_concerned = np.zeros(self._height, np.bool_)
        is_concerned[self.rows[renamed]] = True
        plain = np.flatnonzero(is_concerned[self.rows] & (self.names != NOTHING))
        cells = np.concatenate(  # of a table of rows and names; plain ones first, because they win
            (
                self.rows[plain] * width + self.names[plain],
                self.rows[renamed] * width + self._name_of[self.attributes[renamed]],
            )
        )
        encoded = pa.array(cells).dictionary_encode().indices.to_numpy()
        is_first = np.diff(np.maximum.accumulate(encoded), prepend=-1) > 0
        stay: Rows = renamed[is_first[len(plain) :]]
        return stay

    def having(self, names: Container[str]) -> Mask:
        """Which spans have an entry of one of these names in their data."""
        is_one = np.array([*(name in names for name in self.number_of), False], np.bool_)  # the last one is NOTHING's
        found = np.zeros(self._height, np.bool_)
        found[self.rows[is_one[self.names]]] = True
        return found

    def with_fate(self, *fates: Fate) -> Mask:
        """Which spans have an attribute of one of these fates."""
        is_one = is_fate(self._fate_of, fates)
        found = np.zeros(self._height, np.bool_)
        if is_one.any():
            found[self.rows[is_one[self.attributes]]] = True
        return found

    @cached_property
    def repeated(self) -> Mask:
        """Which spans have two entries of one name in their data."""
        width = len(self.number_of)
        there = self.names != NOTHING
        cells = self.rows[there] * width + self.names[there]
        found = np.zeros(self._height, np.bool_)
        if self._height * width <= _CELLS * len(cells):
            repeated = np.flatnonzero(np.bincount(cells, minlength=1) > 1)
        else:
            cells.sort()
            repeated = cells[1:][cells[1:] == cells[:-1]]
        found[repeated // max(width, 1)] = True
        return found
