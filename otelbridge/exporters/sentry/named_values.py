"""What spans say under single names, for all spans at once: what descriptions, statuses, names and users are made of.

A value is known by its number, so that spans which say the same are found without looking at what they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from otelbridge.exporters.sentry.fragments import Rows
from otelbridge.exporters.sentry.survivors import Survivors

NOTHING = -1


class NamedValues:
    """Plain attributes, or what was added under their name; right for spans that are not `irregular`.

    Args:
        spans: whose.
        names: name of a plain attribute -> its number.
        name_of_entry: number of the name of each entry of `spans.details.attributes`; NOTHING where it is not plain.
        row_of_entry: the span of each entry.
    """

    def __init__(self, spans: Survivors, names: Mapping[str, int], name_of_entry: Rows, row_of_entry: Rows) -> None:
        self._spans = spans
        self._names = names
        self._name_of_entry = name_of_entry
        self._row_of_entry = row_of_entry
        self._added = {column.name: column for column in spans.added}
        self._added_values: list[Any] = []
        self._numbers: dict[str, Rows | None] = {}

    def numbers(self, name: str) -> Rows | None:
        """Which value each row has under this name, or NOTHING; None when no row has any."""
        if name not in self._numbers:
            self._numbers[name] = self._find(name)
        return self._numbers[name]

    def _find(self, name: str) -> Rows | None:
        added = self._added.get(name)
        if name not in self._names and added is None:
            return None
        numbers = np.full(self._spans.height, NOTHING)
        if name in self._names:
            entries = np.flatnonzero(self._name_of_entry == self._names[name])
            numbers[self._row_of_entry[entries]] = self._spans.details.attributes[entries]
        if added is not None:
            numbers[added.rows] = added.index + (len(self._spans.attributes) + len(self._added_values))
            self._added_values += added.distinct
        return numbers

    def value(self, number: int) -> Any:
        """The value of that number."""
        plain = self._spans.attributes
        return plain[number][1] if number < len(plain) else self._added_values[number - len(plain)]

    def keys(self, rows: Rows, names: Sequence[str]) -> list[tuple[int, ...]]:
        """For each of the rows the numbers of its values under these names: equal for spans that say the same."""
        columns = (self.numbers(name) for name in names)
        found = [[NOTHING] * len(rows) if column is None else column[rows].tolist() for column in columns]
        return list(zip(*found, strict=True))

    def data(self, names: Sequence[str], key: tuple[int, ...]) -> dict[str, Any]:
        """What a key says, by name."""
        return {
            name: self.value(number) for name, number in zip(names, key, strict=True) if number != NOTHING
        }
