"""What spans say under single names, for all spans at once: what descriptions, statuses, names and users are made of.

A value is known by its number, so that spans which say the same are found without looking at what they say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from otelbridge.exporters.sentry.entries import NOTHING, Entries
from otelbridge.exporters.sentry.fragments import Rows
from otelbridge.exporters.sentry.survivors import Survivors


class NamedValues:
    """Attributes of spans, or what was added under their name; right for spans that are not `irregular`."""

    def __init__(self, spans: Survivors, entries: Entries) -> None:
        self._spans = spans
        self._entries = entries
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
        entries = self._entries
        number = entries.number_of.get(name)
        if number is None and added is None:
            return None
        numbers = np.full(self._spans.height, NOTHING)
        if number is not None:
            named = np.flatnonzero(entries.names == number)
            numbers[entries.rows[named]] = entries.attributes[named]
        if added is not None:
            numbers[added.rows] = added.index + (len(self._spans.attributes) + len(self._added_values))
            self._added_values += added.distinct
        return numbers

    def value(self, number: int) -> Any:
        """The value of that number."""
        values = self._spans.attributes.values
        return values[number] if number < len(values) else self._added_values[number - len(values)]

    def keys(self, rows: Rows, names: Sequence[str]) -> list[tuple[int, ...]]:
        """For each of the rows the numbers of its values under these names: equal for spans that say the same."""
        columns = (self.numbers(name) for name in names)
        found = [[NOTHING] * len(rows) if column is None else column[rows].tolist() for column in columns]
        return list(zip(*found, strict=True))

    def data(self, names: Sequence[str], key: tuple[int, ...]) -> dict[str, Any]:
        """What a key says, by name."""
        return {name: self.value(number) for name, number in zip(names, key, strict=True) if number != NOTHING}
