"""A catalogue of small components that have every sort of setting, and a way to load a configuration over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field, SecretStr, field_validator

from otelbridge.config.expressions import ConditionText, column_names
from otelbridge.config.load import load
from otelbridge.config.model import Catalogue, Configuration
from otelbridge.config.problems import InvalidConfiguration
from otelbridge.core.component import BuildContext, ComponentConfig, ComponentSpec, Kind
from otelbridge.core.schema import Column


class Protocol(ComponentConfig):
    """One protocol."""

    endpoint: str = "127.0.0.1:4317"
    """host:port."""


class OtlpConfig(ComponentConfig):
    """Settings of the receiver."""

    grpc: Protocol = Protocol()
    """OTLP/gRPC."""

    http: Protocol = Protocol(endpoint="127.0.0.1:4318")
    """OTLP/HTTP."""

    extra: Protocol | None = None
    """Served if the key is there."""

    @field_validator("extra", mode="before")
    @classmethod
    def _take_empty_key_for_defaults(cls, given: object) -> object:
        return {} if given is None else given

    tokens: tuple[SecretStr, ...] = ()
    """Bearer tokens that are accepted."""


class MarkConfig(ComponentConfig):
    """Settings of a processor before group_by_trace."""

    slow_ms: float = Field(default=500.0, gt=0)
    """What is slow."""

    label: str = "slow"
    """What it is called."""

    mode: Literal["on", "off", "auto"] = "auto"
    """A choice."""

    repeats: int | Literal["many"] = 5
    """A union."""

    names: tuple[str, ...] = ()
    """A list."""

    weights: dict[str, float] = Field(default_factory=dict)
    """A map."""

    strict: bool = False
    """A switch."""


class GroupConfig(ComponentConfig):
    """Settings of group_by_trace."""

    wait_seconds: float = Field(default=30.0, gt=0)
    """How long."""


class Rule(ComponentConfig):
    """One rule."""

    name: str
    """What it is called."""

    any_span: ConditionText = ConditionText("TRUE")
    """Which traces."""

    keep: float = Field(default=1.0, ge=0, le=1)
    """How many of them."""


class SampleConfig(ComponentConfig):
    """Settings of a processor after group_by_trace."""

    rules: tuple[Rule, ...] = ()
    """First match decides."""


class ShareConfig(ComponentConfig):
    """Settings of a processor that reads the columns it is told."""

    key: tuple[str, ...] = ("duration_ms",)
    """Which columns."""

    when: ConditionText = ConditionText("TRUE")
    """For which spans."""

    def warnings(self) -> Iterator[str]:
        if not self.key:
            yield "without a key it does nothing"


class SentryConfig(ComponentConfig):
    """Settings of the exporter."""

    dsn: SecretStr = SecretStr("")
    """Where to send."""

    timeout_seconds: int = Field(default=10, ge=1, le=60)
    """How long."""

    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Secret headers."""

    project: str | None = None
    """A name."""

    @field_validator("dsn")
    @classmethod
    def _check(cls, dsn: SecretStr) -> SecretStr:
        value = dsn.get_secret_value()
        if value and not value.startswith("https://"):
            raise ValueError(f"{value} is no DSN")  # a careless author: the message holds the secret
        return dsn


def _build(_config: Any, context: BuildContext) -> str:
    return context.id


SLOW = Column("slow", pl.Boolean, "", "whether the span is slow")

CATALOGUE = Catalogue.of(
    [
        ComponentSpec(Kind.RECEIVER, "otlp", OtlpConfig, _build, "receives OTLP"),
        ComponentSpec(Kind.PROCESSOR, "mark", MarkConfig, _build, "marks slow spans", adds=(SLOW,)),
        ComponentSpec(Kind.PROCESSOR, "group_by_trace", GroupConfig, _build, "groups spans by trace"),
        ComponentSpec(Kind.PROCESSOR, "sample", SampleConfig, _build, "samples traces", needs_complete_traces=True),
        ComponentSpec(
            Kind.PROCESSOR,
            "share",
            ShareConfig,
            _build,
            "reads columns",
            reads=lambda config: frozenset(config.key) | column_names(config.when) | {"raw", "shared"},
            adds=(Column("shared", pl.Boolean, "", "what it adds, it may read"),),
        ),
        ComponentSpec(
            Kind.TRACKER, "watch", ComponentConfig, _build, "watches", watches=lambda _config: frozenset({"pool.busy"})
        ),
        ComponentSpec(Kind.EXPORTER, "sentry", SentryConfig, _build, "sends to Sentry"),
    ],
    [
        Column("name", pl.String, "", "span name"),
        Column("duration_ms", pl.Float64, "ms", "end - start"),
        Column("status", pl.Int8, "", "0 unset, 1 ok, 2 error"),
        Column("db.system.name", pl.String, "", "database product"),
    ],
)

BASE = """\
receivers:
  otlp:
processors:
  mark:
  group_by_trace:
  sample:
exporters:
  sentry:
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [mark, group_by_trace, sample]
      exporters: [sentry]
"""
"""A configuration without mistakes, in which every component has its defaults."""


def load_texts(
    folder: Path, *texts: str, settings: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> Configuration:
    """Load the texts as files `1.yaml`, `2.yaml` ..., in order."""
    files = []
    for number, text in enumerate(texts, 1):
        path = folder / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        files.append(str(path))
    return load(files, settings, environment or {}, CATALOGUE)


def refused(
    folder: Path, *texts: str, settings: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> str:
    """What is said about the texts, laid over BASE, without the folder's name."""
    try:
        load_texts(folder, BASE, *texts, settings=settings, environment=environment)
    except InvalidConfiguration as error:
        return str(error).replace(f"{folder}/", "")
    raise AssertionError("nothing was found wrong")


def heads(said: str) -> list[str]:
    """The first line of each problem, without its place."""
    return [line.split(": ", 1)[1] for line in said.splitlines()[:-1] if not line.startswith(("  ", "..."))]
