"""What happens to a request in either protocol: admitted, submitted, counted, and drained at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from types import TracebackType

from otelbridge.core.component import Accepted, ReceiverCounts, Signal, Submit
from otelbridge.core.errors import OtelbridgeError, RetryLater
from otelbridge.receivers.otlp import answers
from otelbridge.telemetry.logging import logger

ANSWER_SECONDS = 1.0
"""For answers on their way when the grace is over; they are a few hundred bytes each."""


class Outcome(StrEnum):
    """How a request ended."""

    SUCCESS = "success"  # durable, and the client was told so
    REFUSED = "refused"  # the client was told why
    FAILURE = "failure"  # no answer reached the client: it left before, or the daemon has a defect


class Intake:
    """Admits requests of one transport until it drains, and knows which are in flight."""

    def __init__(self, submit: Mapping[Signal, Submit], transport: str, receiver: str, counts: ReceiverCounts) -> None:
        self.counts = counts
        self._submit = submit
        self._transport = transport
        self._log = logger(f"receiver {receiver}")
        self._in_flight: set[asyncio.Task[object]] = set()
        self._is_draining = False
        self._grace_is_over = False

    def request(self) -> _Admission:
        """A context for everything from the first look at a request to its `Accepted`, in the task that answers it.

        Raises RetryLater while draining. Counts the outcome by the error that leaves the context.
        """
        return _Admission(self)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What is taken."""
        return tuple(signal for signal in Signal if signal in self._submit)

    async def submit(self, signal: Signal, request: bytes) -> Accepted:
        """Make a request of a signal that is taken durable; raises as `Submit` does."""
        accepted = await self._submit[signal](request)
        self.counts.accepted[signal] += accepted.items - accepted.rejected
        self.counts.rejected[signal] += accepted.rejected
        self.counts.bytes += len(request)
        return accepted

    async def drain(self, grace_seconds: float) -> None:
        """Refuse what comes from now on; return when what is in flight is answered.

        When the grace is over, the rest is told to come again later.
        """
        self._is_draining = True
        if self._in_flight:
            await asyncio.wait(self._in_flight.copy(), timeout=grace_seconds)
        self._grace_is_over = True
        late = self._in_flight.copy()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=ANSWER_SECONDS)

    def _enter(self) -> asyncio.Task[object]:
        if self._is_draining:
            self._count(Outcome.REFUSED)
            raise RetryLater("shutting down")
        task = asyncio.current_task()
        assert task is not None  # the servers answer every request in a task of its own
        self._in_flight.add(task)
        return task

    def _leave(self, task: asyncio.Task[object], error: BaseException | None) -> None:
        self._in_flight.discard(task)
        if isinstance(error, asyncio.CancelledError) and self._grace_is_over:
            task.uncancel()
            self._count(Outcome.REFUSED)
            raise RetryLater("shut down before the request was durable") from None
        if isinstance(error, OtelbridgeError):
            self._count(Outcome.REFUSED)
            status = answers.http_status(error)
            self._log.warning(f"{self._transport} request refused", status=status, reason=str(error))
        else:
            self._count(Outcome.SUCCESS if error is None else Outcome.FAILURE)

    def _count(self, outcome: Outcome) -> None:
        self.counts.requests[outcome] += 1


class _Admission:
    """The context of one request; a class because a generator costs a microsecond more per request."""

    __slots__ = ("_intake", "_task")

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def __enter__(self) -> None:
        self._task = self._intake._enter()

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._intake._leave(self._task, error)
