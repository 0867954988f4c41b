"""How well each model of each provider does, call by call and over the latest calls.

A call scores up to 100: 40 for its success, 30 for being fast, 30 for needing no retry. A call that failed gets nothing
for having failed fast: a provider that refuses everything within a millisecond is not a healthy one. The score of a
provider's model is the mean over its latest calls; below a limit it is a finding, which is resolved when the score has
recovered by a margin. Dated releases of a model count as the model, because calls that fail name the model asked for
where those that succeed name the release that answered.

Each call counts once: the innermost of the spans that tell of it (`analysis.nested_calls`). Which spans are calls is
what `llm_cost` says where it stands before; else it is found out the same way. Latency is the duration of the span: for
a streamed answer the whole stream. With `llm_cost` each billed call also shows what its tokens cost.

The span `ai.provider_comparison`, in which applications that compare by hand tell of a call, counts in a trace without
calls.

    span ──calls.mark──> (trace buffer) ──calls.counted──> one row a call ──scoring──> columns, measurements
                                                                           └─rolling──> findings
"""

from otelbridge.processors.provider_health.processor import SPEC, ProviderHealth
from otelbridge.processors.provider_health.settings import Config

__all__ = ["SPEC", "Config", "ProviderHealth"]
