"""What every service answers, how long it takes, how often it fails, and whom it calls: measured on 100 % of the spans.

Makes the measurements that belong to no single question: durations of routes and tool calls, error rates by service and
class of error, calls between services. Others, from attributes of your own, are settings. Spans pass unchanged, and
what nobody watches is not made.
"""

from otelbridge.processors.span_metrics.processor import SPEC, SpanMetrics
from otelbridge.processors.span_metrics.settings import Config, CustomMeasurement

__all__ = ["SPEC", "Config", "CustomMeasurement", "SpanMetrics"]
