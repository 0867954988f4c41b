"""Keep what matters and a fair sample of the rest: one decision for all spans of a trace.

Rules are tried in order, the first one that is about a trace says how many percent to keep. A budget lowers the rates
of the rules that are not critical, most for what is most frequent, so that a quota is met without losing what is rare.

The decision is consistent: it follows from the trace's own randomness (`semconv.trace_state`), so that daemons and
services that keep the same share keep the same traces, and what an SDK has sampled already is not sampled twice. Each
kept span carries the rule and the rate that kept it, for Sentry to count right.

    whole traces ──matching──> rule of each ──budget──> rate of each ──randomness──> kept or dropped
"""

from otelbridge.processors.dynamic_sampling.processor import SPEC, DynamicSampling, RuleCounts
from otelbridge.processors.dynamic_sampling.settings import DEFAULT_RULES, Budget, Config, Rule

__all__ = ["DEFAULT_RULES", "SPEC", "Budget", "Config", "DynamicSampling", "Rule", "RuleCounts"]
