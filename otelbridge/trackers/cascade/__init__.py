"""Failures spread from service to service: one finding a cascade, with its probable root and the order of the others.

Services that begin to fail within half a minute and call each other are one cascade. Who calls whom is learnt from
traces; databases and model providers count, though they send no spans. The probable root is the one that fails though
nothing that it calls does. The finding is updated while the cascade grows.

    error.rate    ──> who fails now ─┐
    service.call  ──> who calls whom ┴─> connected and at the same time ──> root ──> finding
"""

from otelbridge.trackers.cascade.settings import Config
from otelbridge.trackers.cascade.tracker import SPEC, Cascade

__all__ = ["SPEC", "Cascade", "Config"]
