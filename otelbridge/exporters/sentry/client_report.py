"""Client reports: what was dropped before Sentry could see it, so that its statistics add up.

Reasons are a vocabulary of Sentry's own (develop.sentry.dev, "Client Reports"); ours are translated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from otelbridge.core.component import Parcel
from otelbridge.core.outcomes import DropReason
from otelbridge.exporters.sentry.envelope import envelope, event_id

CATEGORY = "internal"  # Sentry's data category of reports: limits on other data do not concern them

_REASONS: dict[str, str] = {
    DropReason.INVALID_ID: "invalid",
    DropReason.SAMPLED_OUT: "sample_rate",
    DropReason.LATE_SAMPLED_OUT: "sample_rate",
    DropReason.UNREADABLE: "invalid",
    DropReason.TIMESTAMP: "invalid",
    DropReason.TOO_LARGE: "invalid",
    DropReason.REJECTED: "send_error",
    DropReason.EXPIRED: "queue_overflow",
    DropReason.EVICTED: "cache_overflow",
}


def client_report(destination: str, dropped: Mapping[tuple[str, str], int], now: float) -> Parcel | None:
    """A report on what was dropped, by (reason, data category); None when it was nothing."""
    counts: Counter[tuple[str, str]] = Counter()
    for (reason, category), quantity in dropped.items():
        if quantity > 0:
            counts[_REASONS.get(reason, reason), category] += quantity
    if not counts:
        return None
    discarded = [
        {"reason": reason, "category": category, "quantity": quantity}
        for (reason, category), quantity in sorted(counts.items())
    ]
    body = envelope("client_report", {"timestamp": now, "discarded_events": discarded})
    return Parcel(event_id("client_report", destination, now, sorted(counts.items())), destination, CATEGORY, body, 0)
