"""Pure arithmetic: no clock, no I/O. The detectors can be used without the daemon."""

from otelbridge.analysis.degradation import DegradationDetector
from otelbridge.analysis.error_spike import ErrorSpikeDetector
from otelbridge.analysis.saturation import SaturationDetector

__all__ = ["DegradationDetector", "ErrorSpikeDetector", "SaturationDetector"]
