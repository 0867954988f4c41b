"""Pure arithmetic: no columns, no clock, no I/O."""

from otelbridge.analysis.degradation import DegradationDetector

__all__ = ["DegradationDetector"]
