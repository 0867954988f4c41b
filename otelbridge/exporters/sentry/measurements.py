"""Our numbers about a transaction: those of its root, and sums of money over the whole segment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from otelbridge.exporters.sentry.added import AddedColumn
from otelbridge.exporters.sentry.marks import Marks
from otelbridge.exporters.sentry.segments import Segment

_MEASURED_UNITS = {"ms": "millisecond", "s": "second", "By": "byte", "1": "ratio"}
_MEASUREMENT_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9._]{0,100}")
_OUR_NAMES = "otelbridge."
_MONEY = "USD"


class Measurements:
    """The measurements in added columns of our own names; `height` is how many rows there are."""

    def __init__(self, added: Iterable[AddedColumn], height: int) -> None:
        self._by_row: dict[int, list[tuple[str, str, Any]]] = {}
        for column in added:
            is_measured = column.unit == _MONEY or column.unit in _MEASURED_UNITS
            if is_measured and column.name.startswith(_OUR_NAMES) and _MEASUREMENT_NAME.fullmatch(column.name):
                for row, value in column.by_row.items():
                    if not isinstance(value, (str, bool)):
                        self._by_row.setdefault(row, []).append((column.name, column.unit, value))
        self._measured = Marks(self._by_row, height)

    def of(self, segment: Segment) -> dict[str, Any]:
        """Those of a segment's transaction."""
        measurements: dict[str, Any] = {}
        if not self._measured.among(segment.rows):
            return measurements
        for row in segment.rows:
            for name, unit, value in self._by_row.get(row, ()):
                if unit == _MONEY:
                    total = measurements.setdefault(name, {"value": 0.0, "unit": "none"})
                    total["value"] += value
                elif row == segment.root:
                    measurements[name] = {"value": value, "unit": _MEASURED_UNITS[unit]}
        return measurements
