"""Rows that have something that few have: whether one of many ranges of rows has it is asked for every trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


class Marks:
    """Marked rows of `height` rows."""

    def __init__(self, rows: Iterable[int], height: int) -> None:
        marked = list(rows)
        self._before: list[int] = []
        if marked:
            is_marked = np.zeros(height + 1, np.int64)
            is_marked[1:][marked] = 1
            self._before = np.cumsum(is_marked).tolist()

    def among(self, rows: Sequence[int]) -> bool:
        """Whether one of these rows is marked."""
        before = self._before
        if not before:
            return False
        if isinstance(rows, range):
            return before[rows.stop] > before[rows.start]
        return any(before[row + 1] > before[row] for row in rows)
