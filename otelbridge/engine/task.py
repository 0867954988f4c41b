"""What every task is: a reader of one log whose clock is the append time of the records, in ticks.

Deterministic: the same log gives the same outcome, however it is cut into groups and wherever the task was killed and
started again. Something is decided only when a tick is closed, which is when all its records were read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Generic

from otelbridge.engine.outlet import Outlet
from otelbridge.engine.progress import Progress, Resumption, Stamp
from otelbridge.engine.ticks import tick_of
from otelbridge.engine.tracking import Tracking
from otelbridge.engine.wires import Decoded, Wire


class Task(ABC, Generic[Decoded]):
    """Reads decoded records of one signal in order; what comes of them is taken with `progress`.

    Attributes:
        wire: how requests of the signal are read.
        position: the last record that was fed.
        outlet: the exporters and what they made.
        tracking: its trackers, and what they have yet to see.
        has_news: something was fed or decided since the last progress; without, another checkpoint says nothing new.
    """

    wire: Wire[Decoded]
    tracking: Tracking

    def __init__(self, outlet: Outlet) -> None:
        self.position = 0
        self.outlet = outlet
        self.has_news = False
        self._tick = -1  # closed
        self._open_tick = -1

    @property
    def pending_bytes(self) -> int:
        """Of parcels that wait for a checkpoint."""
        return self.outlet.pending_bytes

    def feed(self, decoded: Decoded, stamps: Sequence[Stamp]) -> Iterator[None]:
        """Take what consecutive records hold; yields at every tick boundary, where `progress` may be taken."""
        for tick, part, last in self._ticks(decoded, stamps):
            if tick > self._open_tick:
                self._close(tick - 1)
                self._publish()
                yield
            self._open_tick = max(tick, self._open_tick)
            self.has_news = True
            self._take(part)
            self.position = last
            self._publish()

    def advance(self, now: float) -> bool:
        """Close every tick that ends at or before `now`; only when everything appended before `now` has been fed."""
        tick = tick_of(now) - 1
        if tick <= self._tick:
            return False
        self._close(tick)
        self._publish()
        return True

    def settle(self) -> None:
        """Close the tick that is open: what waits for its end is in no checkpoint.

        For a stop, after which nothing comes that belongs to the tick.
        """
        self._close(self._open_tick)
        self._publish()

    @abstractmethod
    def drain(self) -> None:
        """Decide everything that is held, now."""

    @abstractmethod
    def progress(self) -> Progress:
        """What must become durable together; resets what is only handed over once (decisions, parcels)."""

    def resume(self, saved: Resumption) -> None:
        """After a restart, before `refill`: where reading goes on."""
        self.position = saved.position
        self._tick = self._open_tick = saved.tick

    @abstractmethod
    def refill(self, decoded: Decoded, stamps: Sequence[Stamp]) -> None:
        """Take records up to `position` again, as far as the state does not hold what is in them."""

    @abstractmethod
    def restore(self, saved: Resumption) -> None:
        """After `refill`: the components' state, which the refilled records are already part of."""

    @abstractmethod
    def admit_losses(self) -> None:
        """After `restore`: count what was held before the restart and is not there any more."""

    @abstractmethod
    def _ticks(self, decoded: Decoded, stamps: Sequence[Stamp]) -> Iterator[tuple[int, Any, int]]:
        """One tick after another: its number, what its records hold, and the sequence of the last of them."""

    @abstractmethod
    def _take(self, part: Any) -> None:
        """What one tick holds, or a part of it."""

    @abstractmethod
    def _close(self, tick: int) -> None:
        """Decide what is due at the end of the open tick, and then at every boundary up to that of `tick`."""

    @abstractmethod
    def _publish(self) -> None:
        """Nothing is on its way: let other threads see the balance."""
