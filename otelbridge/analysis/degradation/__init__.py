"""Whether a series of durations has become slower: `DegradationDetector`."""

from otelbridge.analysis.degradation.blocks import block_material
from otelbridge.analysis.degradation.detector import DegradationDetector
from otelbridge.analysis.degradation.events import Event

__all__ = ["DegradationDetector", "Event", "block_material"]
