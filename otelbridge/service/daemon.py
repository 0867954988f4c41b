"""The daemon's life: open, start in the order of the data, serve until told to stop, drain in the same order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from otelbridge import __version__
from otelbridge.config.model import Configuration
from otelbridge.core.component import Accepted, BuildContext, Receiver, Signal, Submit
from otelbridge.core.findings import Finding
from otelbridge.log.folder import PrivateFolder
from otelbridge.service.admin import AdminServer
from otelbridge.service.fallback import without_destination
from otelbridge.service.memory import collect_garbage_rarely
from otelbridge.service.observed import Observed, observe
from otelbridge.service.unit import Surroundings, Unit
from otelbridge.telemetry import tracing
from otelbridge.telemetry.admin import Readiness, admin_app
from otelbridge.telemetry.logging import logger
from otelbridge.telemetry.metrics import Metrics

RECEIVER_GRACE_SHARE = 0.3  # of the shutdown time, for requests in flight; the rest is for deliveries


def clock() -> float:
    """Seconds since the epoch. The one place that asks; everything else is given this function."""
    return time.time()  # noqa: TID251 # this is the one place


class Daemon:
    """Runs one checked configuration until it is told to stop."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._log = logger("service")
        self._state = "starting"
        self._death: str = ""
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.units: list[Unit] = []
        self.receivers: dict[str, Receiver] = {}
        self.started_at = clock()

    async def run(self) -> int:
        """Serve until a signal; returns the exit code. Raises CannotStart with one clear line, nothing damaged."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._on_signal)
        settings = self._configuration.service
        folder = PrivateFolder(Path(settings.storage.data_directory))
        metrics = Metrics({"service.name": "otelbridge", "service.version": __version__, **settings.telemetry.resource})
        stop_tracing = self._start_tracing()
        admin = AdminServer(
            settings.telemetry.metrics.endpoint, admin_app(metrics.exposition, self.readiness, __version__)
        )
        try:
            self._open(folder.path)
            observe(metrics, Observed(self.units, self.receivers, lambda: clock() - self.started_at))
            await admin.start()
            await self._start()
            collect_garbage_rarely()
            self._say_what_runs(admin.address, folder.path)
            await self._stop.wait()
            await self._drain()
        finally:
            await admin.stop()
            stop_tracing()
            metrics.close()
            folder.close()
        return 1 if self._death else 0

    def request_stop(self) -> None:
        """As a signal would; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    def readiness(self) -> Readiness:
        """Whether new requests are welcome."""
        details = {unit.id: unit.runner.health.stalled for unit in self.units if unit.runner.health.stalled}
        resumed = all(unit.runner.health.resumed for unit in self.units)
        if self._state == "serving" and not resumed:
            return Readiness(ready=False, state="resuming", details=details)
        return Readiness(ready=self._state == "serving" and not details, state=self._state, details=details)

    # starting

    def _open(self, folder: Path) -> None:
        around = Surroundings(
            clock,
            self._on_component_error,
            self._on_lost_records,
            self._on_forgotten_state,
            self._on_finding,
            self._on_delivery_trouble,
            self._on_delivery_recovery,
            self._on_thread_death,
        )
        try:
            for plan in self._configuration.pipelines:
                home = folder / plan.id.replace("/", "-")
                home.mkdir(mode=0o700, exist_ok=True)
                self.units.append(Unit(without_destination(plan), self._configuration.service, home, around))
        except BaseException:
            for unit in self.units:
                unit.close()
            raise

    async def _start(self) -> None:
        started: list[Unit] = []
        try:
            for unit in self.units:
                unit.start()
                started.append(unit)
            for configured in {
                item.id: item for plan in self._configuration.pipelines for item in plan.receivers
            }.values():
                receiver = configured.spec.build(configured.config, BuildContext(configured.id))
                await receiver.start(self._submits_of(configured.id))
                self.receivers[configured.id] = receiver
        except BaseException:
            for receiver in self.receivers.values():
                await receiver.stop(0)
            await self._stop_units(started, clock())
            raise
        self._state = "serving"

    def _submits_of(self, receiver_id: str) -> Mapping[Signal, Submit]:
        """The way into the pipelines that a receiver feeds, for each signal that it feeds one with."""
        fed: dict[Signal, list[Submit]] = {}
        for plan, unit in zip(self._configuration.pipelines, self.units, strict=True):
            if receiver_id in {item.id for item in plan.receivers}:
                fed.setdefault(plan.signal, []).append(unit.appender.submit)
        return {signal: _submit_to(submits) for signal, submits in fed.items()}

    def _start_tracing(self) -> tracing.Stop:
        settings = self._configuration.service.telemetry
        if not settings.traces.endpoint:
            return lambda: None
        headers = {name: value.get_secret_value() for name, value in settings.traces.headers.items()}
        resource = {"service.name": "otelbridge", "service.version": __version__, **settings.resource}
        return tracing.start(settings.traces.endpoint, headers, resource)

    def _say_what_runs(self, admin_address: str, folder: Path) -> None:
        self._log.info("otelbridge runs", version=__version__, data=str(folder), admin=admin_address or "off")
        for receiver_id, receiver in self.receivers.items():
            self._log.info("receiving", receiver=receiver_id, endpoint=receiver.endpoint)
        for unit in self.units:
            exporters = ", ".join(
                f"{exporter_id} to {exporter.destination}" for exporter_id, exporter in unit.pipeline.exporters.items()
            )
            self._log.info("exporting", pipeline=unit.id, exporters=exporters)

    # stopping

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._log.warning("second signal: stopping without waiting for deliveries; they go on after the next start")
            self._state = "stopping now"
        self._stop.set()

    async def _drain(self) -> None:
        self._state = "draining"
        seconds = self._configuration.service.shutdown_timeout_seconds
        self._log.info("stopping", timeout_seconds=seconds)
        deadline = clock() + seconds
        await asyncio.gather(*(receiver.stop(seconds * RECEIVER_GRACE_SHARE) for receiver in self.receivers.values()))
        await self._stop_units(self.units, deadline)
        waiting = sum(unit.outbox.parcels for unit in self.units)
        held = sum(unit.held_spans for unit in self.units)
        self._log.info("stopped", undelivered=waiting, undecided_spans=held)

    async def _stop_units(self, units: Sequence[Unit], deadline: float) -> None:
        await asyncio.gather(*(asyncio.to_thread(unit.stop, deadline) for unit in units))

    # what units report

    def _on_component_error(self, pipeline: str, component: str, error: BaseException) -> None:
        self._log.error("component failed", pipeline=pipeline, failed=component, error=repr(error), exc_info=error)

    def _on_lost_records(self, pipeline: str, reason: str) -> None:
        self._log.error("records of the log are lost", pipeline=pipeline, reason=reason)

    def _on_forgotten_state(self, pipeline: str, components: str, series: int | None) -> None:
        if series is None:
            self._log.info(
                "forgot what components knew that are configured no longer", pipeline=pipeline, of=components
            )
        else:
            self._log.info("forgot series that are watched no longer", pipeline=pipeline, of=components, series=series)

    def _on_finding(self, pipeline: str, finding: Finding) -> None:
        about = {"kind": finding.kind, "service": finding.service, "environment": finding.environment}
        about["summary"] = finding.summary
        known = {name: value for name, value in about.items() if value}
        if finding.trace_id:
            known["trace_id"] = f"{finding.trace_id:032x}"
        self._log.info(f"finding {finding.state}", pipeline=pipeline, title=finding.title, **known)

    def _on_delivery_trouble(self, exporter: str, reason: str) -> None:
        self._log.warning("delivery failed", exporter=exporter, reason=reason)

    def _on_delivery_recovery(self, exporter: str) -> None:
        self._log.info("delivery works again", exporter=exporter)

    def _on_thread_death(self, thread: str, error: BaseException) -> None:
        self._death = thread
        self._log.error("a thread ended that must not; stopping", thread=thread, error=repr(error), exc_info=error)
        self.request_stop()


def _submit_to(pipelines: Sequence[Submit]) -> Submit:
    """Durable means durable in every one of these pipelines."""
    if len(pipelines) == 1:
        return pipelines[0]

    async def submit(body: bytes) -> Accepted:
        return (await asyncio.gather(*(one(body) for one in pipelines)))[0]

    return submit
