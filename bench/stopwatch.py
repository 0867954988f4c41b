"""A stopwatch that charges CPU to one stage at a time: what a stage calls is charged to the callee, not to both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Stopwatch:
    """CPU seconds of this process by stage.

    Attributes:
        seconds: so far; "" is what happened outside of all stages.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage = ""
        self._since = time.process_time()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Charge what happens inside to `name`."""
        outer = self._switch_to(name)
        try:
            yield
        finally:
            self._switch_to(outer)

    def watch(self, owner: Any, name: str, stage: str) -> None:
        """Charge every call of this function or method of `owner` to `stage`."""
        setattr(owner, name, self.watched(getattr(owner, name), stage))

    def watched(self, original: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """The same for a function that is called by another name."""

        def watched(*arguments: Any, **named: Any) -> Any:
            with self.stage(stage):
                return original(*arguments, **named)

        return watched

    def watch_iterator(self, owner: Any, name: str, stage: str) -> None:
        """The same for a generator: its own work is charged, not what is done with what it yields."""
        original: Callable[..., Iterator[Any]] = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Iterator[Any]:
            items = original(*arguments, **named)
            while True:
                with self.stage(stage):
                    item = next(items, None)
                if item is None:
                    return
                yield item

        setattr(owner, name, watched)

    def _switch_to(self, stage: str) -> str:
        now = time.process_time()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._since = now
        outer, self._stage = self._stage, stage
        return outer
