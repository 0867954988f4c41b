"""Something fills up: one finding an approach, with its utilisation, its growth, and when it will be full.

Watches every measurement that has a limit: a share (of a pool, measured by `span_metrics` from an attribute of yours),
a number that must stay below another one, or what may be used up in a day (tokens, USD).

    measurements ──limit──> utilisation 0..1 of each series ──> detector of the series ──> finding
"""

from otelbridge.trackers.capacity.settings import Config, Limit
from otelbridge.trackers.capacity.tracker import SPEC, Capacity

__all__ = ["SPEC", "Capacity", "Config", "Limit"]
