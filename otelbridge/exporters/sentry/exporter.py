"""Exporter `sentry`: transactions, error events and findings to the projects of a Sentry server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from otelbridge.core.component import (
    BuildContext,
    ComponentConfig,
    ComponentSpec,
    Encoded,
    Exporter,
    Kept,
    Kind,
    Parcel,
    RateLimit,
)
from otelbridge.core.errors import CannotStart, Rejected, RetryLater
from otelbridge.exporters.sentry import answers
from otelbridge.exporters.sentry.client_report import client_report
from otelbridge.exporters.sentry.compression import compressed
from otelbridge.exporters.sentry.destinations import CLIENT, Router, destination
from otelbridge.exporters.sentry.encoder import SentryEncoder
from otelbridge.exporters.sentry.transport import Connection, Transport

SECONDS_PER_DAY = 86_400
CONTENT_TYPE = "application/x-sentry-envelope"


class ProjectRule(ComponentConfig):
    """Spans of some resources go to a project of their own."""

    model_config = ConfigDict(hide_input_in_errors=True)

    match: dict[str, str] = Field(min_length=1)
    """Resource attributes and their values, all of which must match; `*` and `?` stand for any text, any character.
    Example: `{service.name: "checkout-*"}`."""

    dsn: SecretStr
    """The project's DSN."""

    @field_validator("dsn")
    @classmethod
    def _is_dsn(cls, dsn: SecretStr) -> SecretStr:
        destination(dsn.get_secret_value())
        return dsn


class SentryConfig(ComponentConfig):
    """Settings of the exporter `sentry`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    dsn: SecretStr = SecretStr("")
    """Where everything goes that no rule of `projects` sends elsewhere: `https://KEY@HOST/PROJECT`. Without it the
    local store takes everything."""

    projects: tuple[ProjectRule, ...] = ()
    """Rules that send spans elsewhere by their resource; the first that matches wins. Needs `dsn` for the rest."""

    format: Literal["transaction"] = "transaction"
    """How spans are sent. `transaction`: one transaction for each local root, which every version of Sentry takes."""

    max_spans_per_transaction: int = Field(default=1000, ge=1, le=1000)
    """Longer segments are split into several transactions, which Sentry shows in one trace. Sentry itself would cut
    the rest off."""

    error_events: bool = True
    """Whether exceptions that spans recorded become error events, with stack trace, linked to their span."""

    max_errors_per_trace: int = Field(default=100, ge=0)
    """Error events of one trace; what one trace throws beyond them is in its spans only."""

    resolved_findings: bool = False
    """Whether the end of a finding that lasted (a degradation, a spike) becomes an event of the level `info` in the
    issue that it has. Sentry would count it as another occurrence."""

    max_age_days: float = Field(default=5, gt=0, le=30)
    """Older spans are dropped, because Sentry refuses the transaction they are in. A server of your own may take more:
    `max_session_secs_in_past` and `max_secs_in_past` of its Relay."""

    withhold_secrets: bool = True
    """Whether values under attribute names that look like secrets (password, authorization, token ...) are replaced by
    `[Filtered]` before they leave. Sentry's default data scrubbing does the same on arrival."""

    compression: Literal["zstd", "gzip", "none"] = "zstd"
    """Of request bodies. A server that does not know zstd (before 24.11) answers 415 and gets gzip from then on."""

    timeout_seconds: float = Field(default=30.0, gt=0)
    """For one request, all in all."""

    connect_timeout_seconds: float = Field(default=10.0, gt=0)
    """For its connection."""

    proxy: SecretStr | None = None
    """URL of an HTTP or SOCKS proxy. Without it the variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY hold; an
    empty text means no proxy."""

    ca_certs: str | None = None
    """File with certificate authorities to trust, in PEM. Default: those of Mozilla, as certifi has them."""

    client_reports: bool = True
    """Whether Sentry is told how much was dropped and why; shown on its Stats page."""

    @field_validator("dsn")
    @classmethod
    def _is_dsn(cls, dsn: SecretStr) -> SecretStr:
        if dsn.get_secret_value():
            destination(dsn.get_secret_value())
        return dsn

    @model_validator(mode="after")
    def _has_default(self) -> SentryConfig:
        if self.projects and not self.dsn.get_secret_value():
            raise ValueError("`projects` needs `dsn` too: it takes the spans that no rule matches")
        return self


class SentryExporter(Exporter):
    """Encodes kept traces as envelopes and posts them. `deliver` may be called from several threads at once."""

    def __init__(self, config: SentryConfig) -> None:
        if not config.dsn.get_secret_value():
            raise CannotStart("exporter sentry: no dsn; set SENTRY_DSN or use the exporter local_store")
        router = _router(config)
        self._client_reports = config.client_reports
        self._encoder = SentryEncoder(
            router,
            {name: target.public_key for name, target in router.destinations.items()},
            max_spans=config.max_spans_per_transaction,
            max_age_seconds=config.max_age_days * SECONDS_PER_DAY,
            max_errors=config.max_errors_per_trace,
            error_events=config.error_events,
            withhold_secrets=config.withhold_secrets,
            resolved_findings=config.resolved_findings,
        )
        connection = Connection(
            timeout_seconds=config.timeout_seconds,
            connect_timeout_seconds=config.connect_timeout_seconds,
            proxy=None if config.proxy is None else config.proxy.get_secret_value(),
            ca_certs=config.ca_certs,
        )
        self._compression: dict[str, str] = dict.fromkeys(router.destinations, config.compression)
        self._transports = {
            name: Transport(target.url, _headers(target.authorization), connection)
            for name, target in router.destinations.items()
        }

    @property
    def destination(self) -> str:
        """Host and project, of all of them."""
        return ", ".join(self._transports)

    def encode(self, kept: Kept) -> Encoded:
        """Everything in `kept` as parcels, a transaction, an error event or a finding each."""
        return self._encoder.encode(kept)

    def pack(self, parcels: list[Parcel]) -> list[Parcel]:
        """With bodies as they will be posted."""
        return [
            Parcel(
                parcel.id,
                parcel.destination,
                parcel.category,
                compressed(parcel.body, self._compression[parcel.destination]),
                parcel.spans,
            )
            for parcel in parcels
        ]

    def deliver(self, parcel: Parcel, now: float) -> tuple[RateLimit, ...]:
        """One POST. Returns the pauses that Sentry asks for although it took the parcel."""
        transport = self._transports.get(parcel.destination)
        if transport is None:
            raise Rejected(f"the configuration has no project {parcel.destination} any more")
        compression = self._compression[parcel.destination]
        answer = transport.post(compressed(parcel.body, compression), compression)
        if answers.accepted(answer.status):
            if not answer.mentions(b"x-sentry-rate-limits"):
                return ()
            return answers.rate_limits(answer.headers().get("x-sentry-rate-limits", ""))
        if answer.status == 415 and compression == "zstd":
            self._compression[parcel.destination] = "gzip"
            raise RetryLater("the server does not know zstd; going on with gzip", 0.0)
        raise answers.error(answer.status, answer.headers(), answer.body, now)

    def client_report(self, destination: str, dropped: Mapping[tuple[str, str], int], now: float) -> Parcel | None:
        """A report on what was dropped on its way to a destination, by (reason, data category)."""
        if not self._client_reports or destination not in self._transports:
            return None
        return client_report(destination, dropped, now)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()


def _headers(authorization: str) -> dict[str, str]:
    return {"Content-Type": CONTENT_TYPE, "X-Sentry-Auth": authorization, "User-Agent": CLIENT}


def _router(config: SentryConfig) -> Router:
    rules = [(rule.match, destination(rule.dsn.get_secret_value())) for rule in config.projects]
    default = destination(config.dsn.get_secret_value())
    by_name = {default.name: default}
    for _, target in rules:
        if by_name.setdefault(target.name, target).public_key != target.public_key:
            raise CannotStart(f"exporter sentry: two DSNs of the project {target.name} with different keys")
    return Router(default, rules)


def _build(config: SentryConfig, _context: BuildContext) -> SentryExporter:
    return SentryExporter(config)


SPEC = ComponentSpec(
    kind=Kind.EXPORTER,
    name="sentry",
    config=SentryConfig,
    build=_build,
    summary="Sends kept traces, exceptions and findings to Sentry",
    reads=lambda _config: frozenset({"op", "is_segment"}),
)
