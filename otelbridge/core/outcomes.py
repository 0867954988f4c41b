"""Every span ends in exactly one outcome: received = exported + dropped(reason) + held.

So does every data point of a metric: received = measured + dropped(reason).

The reasons are a closed enum, so that nothing can vanish under a name nobody watches.
"""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    """Why a span left before it was exported, or a data point before it was measured."""

    INVALID_ID = "invalid_id"  # trace or span id missing, of the wrong length or all zero
    SAMPLED_OUT = "sampled_out"  # a rule of dynamic_sampling
    LATE_SAMPLED_OUT = "late_sampled_out"  # came after its trace had been dropped by a rule
    UNREADABLE = "unreadable"  # fields that are decoded only at export are malformed
    TIMESTAMP = "timestamp"  # so old or so far in the future that Sentry refuses it
    TOO_LARGE = "too_large"  # one span alone exceeds what Sentry takes in a transaction
    REJECTED = "rejected"  # the destination said it will never take it
    EXPIRED = "expired"  # waited in the outbox for longer than allowed
    LOST = "lost"  # undecided when the process ended, with log: memory or a damaged log
    EVICTED = "evicted"  # the local store or a file reached its bound and its oldest part was deleted
    UNWATCHED = "unwatched"  # a data point of a metric that no tracker of the pipeline watches
    NO_VALUE = "no_value"  # a data point that says there is no value, or none that is a number
    FIRST_TOTAL = "first_total"  # a running total that began before anybody listened: where counting begins
    REPEATED = "repeated"  # a running total that is not later than the one before
