"""Pauses per category."""

from __future__ import annotations

from otelbridge.delivery.rate_limits import RateLimits


def test_a_limit_concerns_its_category_and_destination_alone() -> None:
    limits = RateLimits()

    limits.update("a", [(frozenset({"transaction"}), 60.0)], now=100.0)

    assert limits.until("a", "transaction") == 160.0
    assert limits.until("a", "error") == 0.0
    assert limits.until("b", "transaction") == 0.0


def test_no_category_means_all() -> None:
    limits = RateLimits()

    limits.update("a", [(frozenset(), 30.0)], now=0.0)

    assert limits.until("a", "anything") == 30.0


def test_a_shorter_limit_does_not_end_a_longer_one() -> None:
    limits = RateLimits()
    limits.update("a", [(frozenset({"error"}), 60.0)], now=0.0)

    limits.update("a", [(frozenset({"error"}), 10.0)], now=0.0)

    assert limits.until("a", "error") == 60.0
