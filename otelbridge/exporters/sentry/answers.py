"""What a Sentry server says about a request, as what the sender should do.

Source: develop.sentry.dev, "Rate Limiting" and "Envelopes". A 429 is no loss: the parcel waits. Other 4xx are final,
but for those that a proxy or a wrong setting explains: nothing acknowledged may be lost to a typo in `proxy`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from otelbridge.core.component import RateLimit
from otelbridge.core.errors import OtelbridgeError, RateLimited, Rejected, RetryLater

DEFAULT_PAUSE_SECONDS = 60.0  # what SDKs assume when a 429 names no time
LONGEST_PAUSE_SECONDS = 86_400.0  # no typo on the other side may stop delivery for longer
_MAX_REASON = 300
_NOT_ABOUT_THE_PARCEL = frozenset({407, 408, 425})  # proxy credentials, timeouts, replays


def rate_limits(header: str) -> tuple[RateLimit, ...]:
    """The limits in a header X-Sentry-Rate-Limits: `60:transaction;error:organization, 2700::key`.

    What cannot be read is skipped.
    """
    if not header:  # the rule; and reading nothing would cost an exception
        return ()
    limits = []
    for limit in header.split(","):
        seconds, _, rest = limit.strip().partition(":")
        categories = frozenset(filter(None, (category.strip() for category in rest.split(":")[0].split(";"))))
        pause = _seconds(seconds)
        if pause:
            limits.append((categories, pause))
    return tuple(limits)


def accepted(status: int) -> bool:
    """Whether the server has taken the request."""
    return 200 <= status < 300


def error(status: int, headers: Mapping[str, str], body: bytes, now: float) -> OtelbridgeError:
    """What a status that is no success means for the parcel. Header names are in lower case."""
    reason = f"HTTP {status}: {_reason(headers, body)}"
    if status == 429:
        limits = rate_limits(headers.get("x-sentry-rate-limits", ""))
        pause = retry_after(headers, now) or DEFAULT_PAUSE_SECONDS
        return RateLimited(reason, limits or ((frozenset(), pause),))
    if 400 <= status < 500 and status not in _NOT_ABOUT_THE_PARCEL:
        return Rejected(reason)
    return RetryLater(reason, retry_after(headers, now))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds of a Retry-After header, which gives them or a date."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    with contextlib.suppress(ValueError):
        return _seconds(value) if value.replace(".", "", 1).isdigit() else _until(value, now)
    return None


def _until(date: str, now: float) -> float | None:
    seconds = parsedate_to_datetime(date).timestamp() - now
    return min(seconds, LONGEST_PAUSE_SECONDS) if seconds > 0 else None


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(seconds, LONGEST_PAUSE_SECONDS) if seconds > 0 else None


def _reason(headers: Mapping[str, str], body: bytes) -> str:
    given = headers.get("x-sentry-error", "")
    if not given:
        with contextlib.suppress(msgspec.DecodeError):
            answer = msgspec.json.decode(body)
            if isinstance(answer, dict):
                causes = answer.get("causes")
                told = [answer.get("detail", ""), *(causes if isinstance(causes, list) else [])]
                given = "; ".join(str(part) for part in told if part)
    return " ".join((given or body.decode(errors="replace") or "no reason given").split())[:_MAX_REASON]
