"""The measured processes: otelbridge with its full pipeline, and Rotel, which only receives.

Each is started once, with everything it writes in a folder of its own, and says when it has finished all it was given.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from otelbridge.catalogue import catalogue
from otelbridge.config.load import load
from otelbridge.config.model import Configuration

START_SECONDS = 60.0
SETTLE_SECONDS = 120.0
POLL_SECONDS = 0.5  # asking costs the measured process a few milliseconds of CPU

CONFIGURATION = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc_port}"}}
processors:
  db_queries: {{}}
  llm_cost: {{}}
{more_processors}
  group_by_trace: {{}}
  n_plus_one: {{}}
  dynamic_sampling:
    rules:
      - {{name: errors, any_span: "status = 'error'", keep: 100}}
      - {{name: slow_queries, any_span: "op = 'db' AND duration_ms > 500", keep: 100}}
    default_keep: 10
trackers: {{{definitions}}}
exporters:
  sentry:
    dsn: "http://0123456789abcdef0123456789abcdef@{sink}/1"
service:
  storage: {{data_directory: "{folder}", log: {log}}}
  telemetry:
    metrics: {{endpoint: "127.0.0.1:{admin_port}"}}
  pipelines:
    traces:
      receivers: [otlp]
      processors: [db_queries, llm_cost, {measuring}group_by_trace, n_plus_one, dynamic_sampling]
      trackers: [{trackers}]
      exporters: [sentry]
"""


# What measures and watches beside the questions about spans: `everything on`.
MEASURING = ("ttft", "provider_health", "span_metrics")
TRACKERS = ("degradation", "error_spike", "cascade")


def write_configuration(
    folder: Path,
    sink: str,
    log: str = "sqlite",
    ports: Sequence[int] = (4317, 8888),
    *,
    everything: bool = False,
) -> Path:
    """The configuration that is measured, as a file.

    Args:
        folder: where it is written, and the daemon's data.
        sink: host:port of the stand-in of Sentry.
        log: sqlite or memory.
        ports: those of gRPC and of /metrics.
        everything: with all that measures, and all trackers.
    """
    grpc_port, admin_port = ports
    path = folder / "bench.yaml"
    measuring, trackers = (MEASURING, TRACKERS) if everything else ((), ())
    path.write_text(
        CONFIGURATION.format(
            grpc_port=grpc_port,
            admin_port=admin_port,
            sink=sink,
            folder=folder / "data",
            log=log,
            more_processors="\n".join(f"  {name}: {{}}" for name in measuring),
            measuring="".join(f"{name}, " for name in measuring),
            definitions=", ".join(f"{name}: {{}}" for name in trackers),
            trackers=", ".join(trackers),
        )
    )
    return path


def load_configuration(sink: str, folder: Path, *settings: str, everything: bool = False) -> Configuration:
    """The same, loaded: for stages that are measured outside of a daemon."""
    return load([str(write_configuration(folder, sink, everything=everything))], settings, {}, catalogue())


class Collector(ABC):
    """A process that takes OTLP/gRPC at `target`."""

    name: str
    does: str

    def __init__(self, folder: Path, command: list[str]) -> None:
        self._log = folder / "log.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=Path.cwd())
        self.pid = self._process.pid
        self.target = ""
        self.sent_spans = 0

    @abstractmethod
    def wait_until_ready(self) -> None:
        """Return when it takes requests."""

    @abstractmethod
    def settle(self) -> None:
        """Return when everything that was acknowledged has been dealt with; `sent_spans` says how much that is."""

    @abstractmethod
    def account(self) -> str:
        """What became of the spans, in words."""

    def fail(self, why: str) -> RuntimeError:
        """An error that shows what the process said last."""
        return RuntimeError(f"{self.name}: {why}\n{self._log.read_text()[-3000:]}")

    def check_alive(self) -> None:
        """Raises RuntimeError if the process has ended."""
        if self._process.poll() is not None:
            raise self.fail(f"ended with {self._process.returncode}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(SETTLE_SECONDS)


class Otelbridge(Collector):
    """The whole pipeline: everything is decided, a tenth is kept and delivered to the sink."""

    does = "receive, log, decode, db_queries, llm_cost, n_plus_one, sample 10 %, deliver to Sentry"

    def __init__(self, folder: Path, log: str, sink: str, *, everything: bool = False) -> None:
        self.name = "otelbridge, all trackers" if everything else f"otelbridge, log: {log}"
        grpc_port, self._admin_port = ports = free_ports(2)
        path = write_configuration(folder, sink, log, ports, everything=everything)
        super().__init__(folder, [sys.executable, "-m", "otelbridge", "run", "--config", str(path)])
        self.target = f"127.0.0.1:{grpc_port}"

    def wait_until_ready(self) -> None:
        """Asks /readyz."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.check_alive()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self._admin_port}/readyz").close()
            except OSError:  # refused, or 503
                if time.monotonic() > deadline:
                    raise self.fail("not ready") from None
                time.sleep(0.1)
            else:
                return

    def settle(self) -> None:
        """All spans read from the log, none undecided, everything kept delivered.

        An empty outbox does not say so: for up to a second after a decision its parcels wait for the next checkpoint.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            time.sleep(POLL_SECONDS)
            self.check_alive()
            now = self.metrics()
            waiting = now["otelbridge_spans_kept"] - now.get(
                "otelcol_exporter_sent_spans", 0.0
            )  # none before the first
            if now["otelbridge_spans_received"] == self.sent_spans and now["otelbridge_spans_held"] + waiting == 0:
                return
            if time.monotonic() > deadline:
                raise self.fail(f"not settled: {self.sent_spans} sent, {now}")

    def account(self) -> str:
        """Kept, dropped, and not accounted for."""
        now = self.metrics()
        kept, received = now["otelbridge_spans_kept"], now["otelbridge_spans_received"]
        return (
            f"{received:.0f} spans received, {kept:.0f} kept ({kept / received:.1%}), "
            f"{now['otelbridge_spans_dropped']:.0f} dropped, {now['otelcol_exporter_sent_spans']:.0f} delivered, "
            f"{now['otelbridge_spans_unaccounted']:.0f} unaccounted"
        )

    def metrics(self) -> dict[str, float]:
        """The sums over attributes of what /metrics says, without `_total` and units in the names."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._admin_port}/metrics") as response:
            text = response.read().decode()
        sums: dict[str, float] = {}
        for name, value in re.findall(r"^(\w+?)(?:_total)?(?:\{.*\})? (\S+)$", text, re.MULTILINE):
            sums[name] = sums.get(name, 0.0) + float(value)
        return sums


class Rotel(Collector):
    """A compiled collector that receives, decodes, batches and forgets."""

    name = "Rotel"
    does = "receive, decode, batch, forget (blackhole exporter)"

    def __init__(self, folder: Path) -> None:
        spec = find_spec("rotel")
        if spec is None or spec.origin is None:
            raise RuntimeError("Rotel is not installed: pip install rotel")
        grpc_port, http_port = free_ports(2)
        super().__init__(
            folder,
            [
                str(Path(spec.origin).with_name("rotel-agent")),
                "start",
                *("--otlp-grpc-endpoint", f"127.0.0.1:{grpc_port}"),
                *("--otlp-http-endpoint", f"127.0.0.1:{http_port}"),
                *("--exporter", "blackhole"),
                *("--pid-file", str(folder / "rotel.pid")),
                *("--log-file", str(folder / "rotel.log")),
            ],
        )
        self.target = f"127.0.0.1:{grpc_port}"

    def wait_until_ready(self) -> None:
        """Connects."""
        host, port = self.target.split(":")
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.check_alive()
            try:
                socket.create_connection((host, int(port))).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise self.fail("not ready") from None
                time.sleep(0.1)
            else:
                return

    def settle(self) -> None:
        """It says nothing about what it still holds; its batches wait 200 ms at most."""
        time.sleep(1.0)
        self.check_alive()

    def account(self) -> str:
        """Only what was sent is known."""
        return f"{self.sent_spans} spans acknowledged"


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports
