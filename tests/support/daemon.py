"""A real daemon in a process of its own, and clients of its receivers. Waiting is for conditions, never for times."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import yaml
from prometheus_client.parser import text_string_to_metric_families

PATIENCE_SECONDS = 150.0  # on a busy machine; a wait that succeeds ends as soon as it does
PORTS = range(20_000, 32_000)  # below the ephemeral ports, which another client may take while the daemon is down
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
ON_THE_WAY = (
    "otelbridge_log_records",
    "otelbridge_spans_held",
    "otelbridge_spans_outbox",
    "otelcol_exporter_queue_size",
)
PROTOBUF, JSON = "application/x-protobuf", "application/json"


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when the condition holds; fail loudly if it does not in any sensible time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain until {what}"
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Different ports that nobody uses and that no outgoing connection will get."""
    candidates = random.SystemRandom().sample(PORTS, len(PORTS))
    return list(islice(filter(_is_free, candidates), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Metrics:
    """One look at /metrics."""

    def __init__(self, exposition: str) -> None:
        families = text_string_to_metric_families(exposition)
        self._samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """Sum of the values that have these labels; 0 when there is none."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name in (name, f"{name}_total")
            and all(sample.labels.get(label) == value for label, value in labels.items())
        )

    def are_settled(self, spans: int) -> bool:
        """At least `spans` were received, and nothing is on its way."""
        given_up = self.value("otelcol_exporter_send_failed_spans")
        return (
            self.value("otelbridge_spans_received") >= spans
            and not any(map(self.value, ON_THE_WAY))
            and self.value("otelbridge_spans_kept") == self.value("otelcol_exporter_sent_spans") + given_up
        )


class Daemon:
    """`otelbridge run` with the default pipeline; `start` as often as it was killed or stopped."""

    def __init__(self, folder: Path, dsn: str, **changes: Any) -> None:
        """`changes` are values by dotted path, with `__` for the dots: service__storage__log="memory"."""
        self.grpc_port, self.http_port, self.admin_port = free_ports(3)
        self.folder = folder
        self.data = folder / "data"
        self.config = configuration(self, dsn, changes)
        self._config_file = folder / "config.yaml"
        self._config_file.write_text(yaml.safe_dump(self.config))
        self.log_file = folder / "log.jsonl"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True) -> Daemon:
        """Start the process and, unless told otherwise, wait until it takes requests."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "otelbridge", "run", "--config", str(self._config_file)],
                stdout=log,
                stderr=log,
                env={**os.environ, "NO_PROXY": "*"},
            )
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Return when it takes requests; fails if it ended instead."""
        wait_until(self._is_ready_or_dead, "the daemon is ready")
        assert self.is_alive, self.log()

    def _is_ready_or_dead(self) -> bool:
        return not self.is_alive or self.admin("/readyz")[0] == 200

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Stop by a signal; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(by)
        return self.wait_for_end()

    def wait_for_end(self) -> int:
        """The exit code."""
        assert self.process is not None
        return self.process.wait(PATIENCE_SECONDS)

    def log(self) -> str:
        """What it said so far."""
        return self.log_file.read_text()

    # the admin endpoint

    def admin(self, path: str) -> tuple[int, str]:
        """Status and body; (0, "") while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def metrics(self) -> Metrics:
        """What /metrics says now; all zero while nobody listens."""
        return Metrics(self.admin("/metrics")[1])

    def metric(self, name: str, **labels: str) -> float:
        """One metric, now."""
        return self.metrics().value(name, **labels)

    def wait_until_all_is_delivered(self, spans: int = 0, seconds: float = PATIENCE_SECONDS) -> None:
        """At least `spans` were received, all are decided, and nothing waits for delivery."""
        wait_until(lambda: self.metrics().are_settled(spans), "everything is decided and delivered", seconds)

    # clients

    @contextmanager
    def grpc(self) -> Iterator[Callable[..., Any]]:
        """A client of its own connection: bytes of a request -> bytes of the answer; raises grpc.RpcError."""
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_send_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 200),
            ("grpc.enable_retries", 0),
        ]
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}", options=options) as channel:
            yield channel.unary_unary(EXPORT, request_serializer=bytes, response_deserializer=bytes)

    def post(
        self, body: bytes, content_type: str = PROTOBUF, path: str = "/v1/traces", **headers: str
    ) -> tuple[int, bytes]:
        """One POST on a connection of its own: status and body of the answer."""
        with self.http(path) as post:
            return post(body, content_type, **headers)

    @contextmanager
    def http(self, path: str = "/v1/traces") -> Iterator[Callable[..., tuple[int, bytes]]]:
        """The same on one connection; raises OSError and http.client.HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=PATIENCE_SECONDS)

        def post(body: bytes, content_type: str = PROTOBUF, **headers: str) -> tuple[int, bytes]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST", path, body, {"Content-Type": content_type, **named})
            answer = connection.getresponse()
            return answer.status, answer.read()

        try:
            yield post
        finally:
            connection.close()


def configuration(daemon: Daemon, dsn: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The default pipelines on the daemon's ports, with short waits, keeping everything."""
    measuring = ["db_queries", "llm_cost", "ttft", "provider_health", "span_metrics"]
    processors = [*measuring, "group_by_trace", "n_plus_one", "dynamic_sampling"]
    trackers = ["degradation", "error_spike", "cascade"]
    pipeline = {"receivers": ["otlp"], "processors": processors, "trackers": trackers, "exporters": ["sentry"]}
    metrics = {"receivers": ["otlp"], "trackers": ["capacity"], "exporters": ["sentry"]}
    protocols = {
        "grpc": {"endpoint": f"127.0.0.1:{daemon.grpc_port}"},
        "http": {"endpoint": f"127.0.0.1:{daemon.http_port}"},
    }
    config: dict[str, Any] = {
        "receivers": {"otlp": {"protocols": protocols}},
        "processors": {
            **dict.fromkeys(processors),
            "group_by_trace": {"decision_wait_seconds": 1, "decision_wait_after_root_seconds": 0},
            "dynamic_sampling": {"rules": [], "default_keep": 100},
        },
        "trackers": dict.fromkeys([*trackers, "capacity"]),
        "exporters": {"sentry": {"dsn": dsn, "proxy": ""}},
        "service": {
            "storage": {"data_directory": str(daemon.data)},
            "telemetry": {"metrics": {"endpoint": f"127.0.0.1:{daemon.admin_port}"}, "logs": {"format": "json"}},
            "pipelines": {"traces": pipeline, "metrics": metrics},
        },
    }
    for path, value in changes.items():
        *sections, name = path.split("__")
        section = config
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = value
    return json.loads(json.dumps(config))  # type: ignore[no-any-return] # it is what went in


@contextmanager
def running(folder: Path, dsn: str, **changes: Any) -> Iterator[Daemon]:
    """A daemon that takes requests; killed at the end if it still runs."""
    daemon = Daemon(folder, dsn, **changes)
    try:
        yield daemon.start()
    finally:
        if daemon.is_alive:
            daemon.kill()
