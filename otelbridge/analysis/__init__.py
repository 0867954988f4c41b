"""Pure arithmetic: no columns, no clock, no I/O."""

from otelbridge.analysis.error_spike import ErrorSpikeDetector
from otelbridge.analysis.saturation import SaturationDetector

__all__ = ["ErrorSpikeDetector", "SaturationDetector"]
