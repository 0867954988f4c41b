"""Something has become slower: one finding a change, with the level before, the level now, and since when.

Every series of every watched measurement is compared with its own past. Values are collected in blocks of 32; medians
and 90th percentiles of blocks are judged by `analysis.degradation`, which is robust against outliers, skew, daily
seasons and slow waves.

    measurements ──key columns──> series ──32 values──> blocks ──median, p90──> detector of the series ──> finding
"""

from otelbridge.trackers.degradation.settings import DEFAULT_WATCH, Config, Watch
from otelbridge.trackers.degradation.tracker import SPEC, Degradation

__all__ = ["DEFAULT_WATCH", "SPEC", "Config", "Degradation", "Watch"]
