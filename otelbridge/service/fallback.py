"""An exporter that has nowhere to send to keeps its traces here instead."""

from __future__ import annotations

from dataclasses import replace

from otelbridge.config.model import Configured, PipelinePlan
from otelbridge.exporters.local_store import SPEC as LOCAL_STORE
from otelbridge.exporters.sentry.exporter import SPEC as SENTRY
from otelbridge.exporters.sentry.exporter import SentryConfig


def without_destination(plan: PipelinePlan) -> PipelinePlan:
    """The plan with the local store in the place of every `sentry` exporter that has no DSN."""
    exporters = (_stored_locally(item) if _is_aimless(item) else item for item in plan.exporters)
    return replace(plan, exporters=tuple(exporters))


def _is_aimless(item: Configured) -> bool:
    config = item.config
    return item.spec is SENTRY and isinstance(config, SentryConfig) and not config.dsn.get_secret_value()


def _stored_locally(item: Configured) -> Configured:
    return Configured(item.id, LOCAL_STORE, LOCAL_STORE.config())
