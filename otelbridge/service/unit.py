"""One pipeline at work: its folder, its log, its task, its outbox, and the threads between them.

receivers -> appender thread -> log -> runner thread -> state and outbox -> sender threads -> destinations
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otelbridge.config.model import PipelinePlan, ServiceConfig, StorageConfig
from otelbridge.core.errors import CannotStart, StateUnreadable
from otelbridge.core.findings import Finding
from otelbridge.delivery.outbox import OUTBOX_SCHEMA, Outbox, insert
from otelbridge.delivery.sender import Sender
from otelbridge.engine.appender import Appender
from otelbridge.engine.checkpoint import CheckpointStore
from otelbridge.engine.handover import Handover
from otelbridge.engine.progress import Resumption
from otelbridge.engine.runner import Runner
from otelbridge.engine.tasks import build_task
from otelbridge.engine.ticks import TICKS_PER_SECOND
from otelbridge.engine.traces_task import TracesTask
from otelbridge.log.contract import Log
from otelbridge.log.memory import MemoryLog
from otelbridge.log.sqlite import SqliteLog

MIB = 2**20
HANDOVER_BYTES = 64 * MIB  # between appender and runner: 100,000 spans of 640 bytes, about a second of its work


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the daemon gives each unit.

    Attributes:
        clock: seconds since the epoch.
        on_component_error: pipeline, component, error; the batch goes on without what the component would have added.
        on_lost_records: pipeline, reason.
        on_forgotten_state: pipeline, components, how many series of it; None for all that they knew.
        on_finding: pipeline, a finding that lasts, when it is sent.
        on_delivery_trouble: exporter, reason; the parcel waits, or was rejected.
        on_delivery_recovery: exporter, which takes parcels again.
        on_thread_death: name of a thread that must not end, and what ended it.
    """

    clock: Callable[[], float]
    on_component_error: Callable[[str, str, BaseException], None]
    on_lost_records: Callable[[str, str], None]
    on_forgotten_state: Callable[[str, str, int | None], None]
    on_finding: Callable[[str, Finding], None]
    on_delivery_trouble: Callable[[str, str], None]
    on_delivery_recovery: Callable[[str], None]
    on_thread_death: Callable[[str, BaseException], None]


class Unit:
    """One pipeline; constructing it opens its files, `start` starts its threads."""

    def __init__(self, plan: PipelinePlan, service: ServiceConfig, folder: Path, around: Surroundings) -> None:
        self.id = plan.id
        self.component_errors: Counter[str] = Counter()
        self._around = around
        storage = service.storage
        self.task = build_task(
            plan, str(folder), self._component_failed, lambda finding: around.on_finding(plan.id, finding)
        )
        self.pipeline = self.task.pipeline
        state_path = folder / "state.sqlite"
        self.store = CheckpointStore(state_path, OUTBOX_SCHEMA, insert, storage.synchronous)
        self._saved = self._load(state_path)
        self.log = _open_log(storage, folder / "log", self._saved)
        self.outbox = Outbox(state_path, storage.outbox_capacity_mib * MIB, storage.outbox_max_age_hours * 3600)
        self.sender = Sender(
            self.outbox,
            self.pipeline.exporters,
            around.clock,
            random.Random(),  # noqa: S311 # spreads pauses
            around.on_delivery_trouble,
            around.on_delivery_recovery,
            lambda error: around.on_thread_death(f"{plan.id} sender", error),
        )
        self.balance = self.task.balance
        handover: Handover[Any] = Handover(HANDOVER_BYTES)
        self.appender = Appender(self.log, self.task.wire, handover, around.clock)
        self.runner = Runner(
            task=self.task,
            log=self.log,
            store=self.store,
            handover=handover,
            clock=around.clock,
            on_checkpoint=self.sender.wake,
            outbox_is_full=lambda: self.outbox.is_full,
            on_lost=lambda reason: around.on_lost_records(plan.id, reason),
            batch_spans=service.batch.max_spans,
            batch_seconds=service.batch.timeout_ms / 1000,
            decide_on_stop=storage.log == "memory",
            on_forgotten=lambda tracker, series: around.on_forgotten_state(plan.id, tracker, series),
        )
        self._threads = [
            self._thread("appender", self.appender.run),
            self._thread("runner", lambda: self.runner.run(self._saved)),
        ]

    @property
    def held_spans(self) -> int:
        """Spans that are undecided."""
        return self.task.pipeline.grouping.held_spans if isinstance(self.task, TracesTask) else 0

    def freeze_balance(self) -> None:
        """Let `balance` be that of this moment until the next call."""
        self.balance = self.task.balance

    def start(self) -> None:
        """Start the threads: the runner resumes where the last checkpoint was."""
        for thread in self._threads:
            thread.start()
        self.sender.start()

    def stop(self, deadline: float) -> None:
        """Append what was submitted, process what was appended, deliver what can be delivered by the deadline."""
        appender, runner = self._threads
        self.appender.stop()
        appender.join()
        self.runner.stop()
        runner.join()
        self.sender.drain(deadline)
        self.close()

    def close(self) -> None:
        """Close all files."""
        self.outbox.close()
        self.store.close()
        self.log.close()
        for exporter in self.pipeline.exporters.values():
            exporter.close()

    def _load(self, path: Path) -> Resumption:
        """The last checkpoint, without the state of components that are not configured any more."""
        known = {step.id for step in self.pipeline.steps()} | {watched.id for watched in self.pipeline.trackers}
        try:
            forgotten = self.store.forget_others(known)
            if forgotten:
                self._around.on_forgotten_state(self.id, ", ".join(forgotten), None)
            return self.store.load()
        except StateUnreadable as error:
            raise CannotStart(f"{path}: {error}; move the folder away to start anew") from None

    def _component_failed(self, component: str, error: BaseException) -> None:
        self.component_errors[component] += 1
        self._around.on_component_error(self.id, component, error)

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                self._around.on_thread_death(f"{self.id} {name}", error)
                raise

        return threading.Thread(target=run, name=f"{self.id} {name}", daemon=True)


def _open_log(storage: StorageConfig, folder: Path, saved: Resumption) -> Log:
    """The log goes on where the checkpoint is, in sequence and in time, even if it lost its files."""
    time = (saved.tick + 1) / TICKS_PER_SECOND
    if storage.log == "memory":
        return MemoryLog(storage.log_capacity_mib * MIB, initial_time=time, initial_sequence=saved.position)
    return SqliteLog(
        folder,
        storage.log_capacity_mib * MIB,
        storage.segment_mib * MIB,
        storage.synchronous,
        initial_time=time,
        initial_sequence=saved.position,
    )
