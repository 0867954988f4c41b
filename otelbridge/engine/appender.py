"""From receivers to the log: what waits together is decoded, appended and acknowledged together (group commit).

Receivers call `submit` on the event loop; one thread decodes and appends, because both keep a core busy for longer
than an event loop should wait. One undecodable request among those that wait is refused alone.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from otelbridge.core.component import Accepted
from otelbridge.core.errors import OtelbridgeError, RetryLater, Undecodable
from otelbridge.engine.handover import Group, Handover
from otelbridge.engine.progress import Stamp
from otelbridge.engine.wires import Decoded, Wire
from otelbridge.log.contract import Log

GROUP_BYTES = 4 * 2**20  # larger groups do not decode faster, and the first of a group waits for the last
WAITING_BYTES = 64 * 2**20  # requests in memory that are not acknowledged yet; beyond it clients are asked to wait


@dataclass(slots=True)
class _Waiting:
    body: bytes
    answer: asyncio.Future[Accepted]


class Appender(Generic[Decoded]):
    """The way into one log. `submit` on the loop's thread, `run` in a thread of its own."""

    def __init__(self, log: Log, wire: Wire[Decoded], handover: Handover[Decoded], clock: Callable[[], float]) -> None:
        self._log = log
        self._wire = wire
        self._handover = handover
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self.loop: asyncio.AbstractEventLoop | None = None

    async def submit(self, body: bytes) -> Accepted:
        """See `core.component.Submit`."""
        loop = asyncio.get_running_loop()
        item = _Waiting(body, loop.create_future())
        with self._changed:
            if self._stopping:
                raise RetryLater("the daemon is stopping")
            if self._waiting and self._waiting_bytes + len(body) > WAITING_BYTES:
                raise RetryLater("too many requests are waiting to be written")
            self.loop = loop
            self._waiting.append(item)
            self._waiting_bytes += len(body)
            self._changed.notify()
        return await item.answer

    def run(self) -> None:
        """Append until stopped, and what was submitted before that."""
        while True:
            group = self._next_group()
            if not group:
                return
            self._answer(self._append(group))

    def stop(self) -> None:
        """Take no more; `run` returns when what waits is appended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def _next_group(self) -> list[_Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            group: list[_Waiting] = []
            size = 0
            while self._waiting and (not group or size + len(self._waiting[0].body) <= GROUP_BYTES):
                item = self._waiting.popleft()
                size += len(item.body)
                group.append(item)
            self._waiting_bytes -= size
            return group

    def _append(self, group: list[_Waiting]) -> list[tuple[_Waiting, Accepted | OtelbridgeError]]:
        answers: list[tuple[_Waiting, Accepted | OtelbridgeError]] = []
        bodies = [item.body for item in group]
        try:
            decoded = self._wire.decode(bodies)
        except Undecodable as error:
            if len(group) == 1:
                return [(group[0], error)]
            for item in group:
                answers += self._append([item])
            return answers
        try:
            records = self._log.append(bodies, self._clock())
        except RetryLater as error:
            return [(item, error) for item in group]
        stamps = [Stamp(record.sequence, record.time) for record in records]
        self._handover.put(Group(decoded, stamps, self._wire.items(decoded), self._wire.size(decoded)))
        return list(zip(group, self._wire.accepted(bodies, decoded), strict=True))

    def _answer(self, answers: list[tuple[_Waiting, Accepted | OtelbridgeError]]) -> None:
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: list[tuple[_Waiting, Accepted | OtelbridgeError]]) -> None:
    for item, answer in answers:
        if item.answer.done():  # the client went away
            continue
        if isinstance(answer, OtelbridgeError):
            item.answer.set_exception(answer)
        else:
            item.answer.set_result(answer)
