"""Level changes in durations."""

from otelbridge.analysis.degradation.detector import DegradationDetector

__all__ = ["DegradationDetector"]
