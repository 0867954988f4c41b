from __future__ import annotations

import pytest

from otelbridge.core.errors import RateLimited, Rejected, RetryLater
from otelbridge.exporters.sentry.answers import error, rate_limits

NOW = 1_790_000_000.0  # Mon, 21 Sep 2026 13:33:20 GMT


@pytest.mark.parametrize(
    ("header", "limits"),
    [
        ("60:transaction;error:organization:quota", ((frozenset({"transaction", "error"}), 60.0),)),
        ("60:transaction:key, 2700::organization", ((frozenset({"transaction"}), 60.0), (frozenset(), 2700.0))),
        ("60", ((frozenset(), 60.0),)),
        ("1.5:span:key:reason:ns;ns2", ((frozenset({"span"}), 1.5),)),
        ("999999999:error:key", ((frozenset({"error"}), 86_400.0),)),
        ("", ()),
        ("soon:error", ()),
        ("-5:error,0:span,nan:x", ()),
    ],
)
def test_limits_are_read_as_far_as_they_can_be(header: str, limits: tuple[object, ...]) -> None:
    assert rate_limits(header) == limits


def test_429_pauses_the_categories_that_it_names() -> None:
    found = error(429, {"x-sentry-rate-limits": "60:transaction:key", "retry-after": "7"}, b"", NOW)
    assert isinstance(found, RateLimited)
    assert found.limits == ((frozenset({"transaction"}), 60.0),)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Mon, 21 Sep 2026 13:34:20 GMT"}, 60.0),
        ({}, 60.0),
        ({"retry-after": "soon"}, 60.0),
    ],
)
def test_429_without_limits_pauses_everything(headers: dict[str, str], seconds: float) -> None:
    found = error(429, headers, b"", NOW)
    assert isinstance(found, RateLimited)
    assert found.limits == ((frozenset(), seconds),)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 302, 407, 408, 100])
def test_what_is_not_about_the_parcel_is_tried_again(status: int) -> None:
    found = error(status, {"retry-after": "7"}, b"", NOW)
    assert isinstance(found, RetryLater)
    assert found.seconds == 7.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415])
def test_other_4xx_are_final(status: int) -> None:
    assert isinstance(error(status, {}, b"", NOW), Rejected)


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({"x-sentry-error": "bad envelope"}, b"", "HTTP 400: bad envelope"),
        (
            {},
            b'{"detail":"invalid event envelope","causes":["missing newline"]}',
            "HTTP 400: invalid event envelope; missing newline",
        ),
        ({}, b"<html>\nno</html>", "HTTP 400: <html> no</html>"),
        ({}, b"[1]", "HTTP 400: [1]"),
        ({}, b"\xff", "HTTP 400: \ufffd"),
        ({}, b"", "HTTP 400: no reason given"),
    ],
)
def test_the_servers_reason_is_told(headers: dict[str, str], body: bytes, reason: str) -> None:
    assert str(error(400, headers, body, NOW)) == reason
