"""What a configuration says once it is checked: the `service` section as settings, the rest as components in pipelines.

The docstring under a field is its documentation: `otelbridge components service`, the example configuration and the
documentation pages print it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import AfterValidator, Field, SecretStr

from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind, Signal
from otelbridge.core.schema import Column

SECTIONS: Mapping[str, Kind] = {
    "receivers": Kind.RECEIVER,
    "processors": Kind.PROCESSOR,
    "trackers": Kind.TRACKER,
    "exporters": Kind.EXPORTER,
}
SECTION_OF: Mapping[Kind, str] = {kind: section for section, kind in SECTIONS.items()}


def _host_and_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if text and not (host and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("write host:port, for example 127.0.0.1:8888 or 0.0.0.0:8888")
    return text


def _web_address(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ValueError("write a URL, for example http://127.0.0.1:4318/v1/traces")
    return text


class PipelineConfig(ComponentConfig):
    """One pipeline: the ids of its components."""

    receivers: tuple[str, ...] = Field(min_length=1)
    """Ids of the receivers whose spans, or metrics, enter here."""

    processors: tuple[str, ...] = ()
    """Ids of the processors, in the order in which they see the spans. `group_by_trace` must be among them, and what
    looks at whole traces must come after it. A pipeline of metrics has none."""

    trackers: tuple[str, ...] = ()
    """Ids of the trackers. They watch what the processors measure on all spans, sampled or not, or the metrics that
    come in, and tell of changes."""

    exporters: tuple[str, ...] = Field(min_length=1)
    """Ids of the exporters. Each of them gets every kept trace and every finding. Metrics themselves are not
    exported."""


class StorageConfig(ComponentConfig):
    """Where acknowledged data lies until it is delivered, and how much of it."""

    data_directory: str = Field(default="./otelbridge-data", min_length=1)
    """Folder of the log, the checkpoints and the outbox; created with mode 0700. One daemon at a time can use it. It
    holds raw telemetry: put it where you would put a database."""

    log: Literal["sqlite", "memory"] = "sqlite"
    """`sqlite` keeps every acknowledged request on disk until its traces are decided, so that even kill -9 loses
    nothing. `memory` writes no payloads to disk; what is undecided when the process dies is lost."""

    log_capacity_mib: int = Field(default=2048, ge=1)
    """Bound on the log in MiB. A full log refuses new requests and tells clients when to try again; it never drops what
    was acknowledged."""

    segment_mib: int = Field(default=64, ge=1, le=1024)
    """The log is a chain of files of about this size in MiB; a file is deleted once everything in it is decided. Only
    for `log: sqlite`."""

    synchronous: Literal["normal", "full"] = "normal"
    """`normal` survives every crash of the process; a crash of the machine may lose the last moments. `full` survives
    that too, at the cost of one disk flush per group of requests. Only for `log: sqlite`."""

    outbox_capacity_mib: int = Field(default=2048, ge=1)
    """Bound in MiB on what waits to be delivered. When it is full, the pipeline pauses, then the log fills, then
    requests are refused: nothing is dropped."""

    outbox_max_age_hours: float = Field(default=72.0, gt=0, le=120)
    """What could not be delivered for this long is dropped and counted as `expired`. At most 120: Sentry refuses spans
    that are older than five days."""


class LogsConfig(ComponentConfig):
    """The daemon's own log, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are still shown."""

    format: Literal["auto", "console", "json"] = "auto"
    """`console` is for people, `json` is one object a line; `auto` is `console` on a terminal and `json` elsewhere."""


class MetricsConfig(ComponentConfig):
    """The daemon's own metrics and health."""

    endpoint: Annotated[str, AfterValidator(_host_and_port)] = "127.0.0.1:8888"
    """host:port that serves `/metrics` for Prometheus, `/healthz` and `/readyz`; "" switches them off."""


class TracesConfig(ComponentConfig):
    """The daemon's own traces."""

    endpoint: Annotated[str, AfterValidator(_web_address)] = ""
    """OTLP/HTTP endpoint to send the daemon's own spans to, e.g. `http://127.0.0.1:4318/v1/traces`; "" sends none."""

    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Headers of these requests, e.g. for authentication."""


class TelemetryConfig(ComponentConfig):
    """How the daemon is watched itself."""

    logs: LogsConfig = LogsConfig()
    """The daemon's own log."""

    metrics: MetricsConfig = MetricsConfig()
    """The daemon's own metrics and health."""

    traces: TracesConfig = TracesConfig()
    """The daemon's own traces."""

    resource: dict[str, str] = Field(default_factory=dict)
    """Resource attributes of the daemon's own telemetry, e.g. `deployment.environment.name: production`."""


class BatchConfig(ComponentConfig):
    """How many spans go through the processors together."""

    max_spans: int = Field(default=16_384, ge=1, le=65_536)
    """A batch is complete at this many spans. A batch has a fixed cost, so small ones are expensive."""

    timeout_ms: float = Field(default=200.0, ge=1, le=10_000)
    """A batch waits no longer than this for more spans."""


class ServiceConfig(ComponentConfig):
    """The `service` section."""

    pipelines: dict[str, PipelineConfig] = Field(min_length=1)
    """The pipelines by id: `traces` or `metrics`, or `traces/NAME` where there are several."""

    storage: StorageConfig = StorageConfig()
    """Where acknowledged data lies until it is delivered."""

    telemetry: TelemetryConfig = TelemetryConfig()
    """How the daemon is watched itself."""

    batch: BatchConfig = BatchConfig()
    """How many spans go through the processors together."""

    shutdown_timeout_seconds: float = Field(default=30.0, ge=0, le=3600)
    """How long a stop waits for requests in flight and for deliveries. What is not delivered by then is kept on disk
    and delivered after the next start."""


@runtime_checkable
class Warns(Protocol):
    """Settings that can be right and still not be meant."""

    def warnings(self) -> Iterable[str]:
        """What is odd about them, one sentence each, without values that could be secrets."""
        ...


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a configuration may name.

    Attributes:
        specs: components by kind and name.
        columns: columns of spans that conditions may use, beside those that processors add.
    """

    specs: Mapping[tuple[Kind, str], ComponentSpec[Any]]
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, specs: Iterable[ComponentSpec[Any]], columns: Iterable[Column] = ()) -> Catalogue:
        """A catalogue of these components and columns."""
        return cls({(spec.kind, spec.name): spec for spec in specs}, {column.name: column for column in columns})

    def names(self, kind: Kind) -> list[str]:
        """The names of all components of a kind."""
        return [name for of_kind, name in self.specs if of_kind == kind]


@dataclass(frozen=True, slots=True)
class Configured:
    """One component: its id, what the catalogue says of it, its settings."""

    id: str
    spec: ComponentSpec[Any]
    config: ComponentConfig


def watched_by(trackers: Iterable[Configured]) -> frozenset[str]:
    """Names of the measurements that any of these trackers sees."""
    return frozenset[str]().union(*(tracker.spec.watches(tracker.config) for tracker in trackers))


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """One pipeline with its components resolved, in order."""

    id: str
    receivers: tuple[Configured, ...]
    processors: tuple[Configured, ...]
    trackers: tuple[Configured, ...]
    exporters: tuple[Configured, ...]

    @property
    def signal(self) -> Signal:
        """What it is a pipeline of."""
        return signal_of(self.id)


def signal_of(pipeline_id: str) -> Signal:
    """What a pipeline with this id is one of; raises ValueError when it is nothing we know."""
    return Signal(pipeline_id.partition("/")[0])


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration that was checked and can be run.

    Attributes:
        components: every component that is defined, by kind and id, used or not.
        service: the `service` section.
        pipelines: in the order of the file.
        warnings: oddities, ready to print; they hold no secrets.
    """

    components: Mapping[Kind, Mapping[str, Configured]]
    service: ServiceConfig
    pipelines: tuple[PipelinePlan, ...]
    warnings: tuple[str, ...]
