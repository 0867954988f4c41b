"""Pure arithmetic: no columns, no clock, no I/O."""

from otelbridge.analysis.error_spike import ErrorSpikeDetector

__all__ = ["ErrorSpikeDetector"]
