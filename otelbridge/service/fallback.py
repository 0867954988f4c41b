"""An exporter that has nowhere to send to keeps its traces here instead."""

from __future__ import annotations

from dataclasses import replace

from otelbridge.config.model import Configured, PipelinePlan
from otelbridge.exporters import local_store, sentry
from otelbridge.exporters.sentry import SentryConfig


def without_destination(plan: PipelinePlan) -> PipelinePlan:
    """The plan with the local store in the place of every `sentry` exporter that has no DSN."""
    return replace(
        plan, exporters=tuple(_stored_locally(item) if _is_aimless(item) else item for item in plan.exporters)
    )


def _is_aimless(item: Configured) -> bool:
    config = item.config
    return item.spec is sentry.SPEC and isinstance(config, SentryConfig) and not config.has_destination


def _stored_locally(item: Configured) -> Configured:
    return Configured(item.id, local_store.SPEC, local_store.SPEC.config())
