"""What model calls cost: each call once, in USD, and for whom.

One call leaves many spans: the SDK's outer span, an agent, its steps, the call itself, a second instrumentation.
Several of them carry its usage, in different readings of what a token of input is. This component

* finds the one span that is the call: the innermost one with usage (`billing`, `lineage`),
* makes its counts mean what the conventions say (`usage`, `provider_metadata`),
* prices them: cache reads and writes, reasoning, long inputs, batch and flex tiers (`identities`, `analysis.prices`),
* tells whose call it was, from the span, its ancestors, or the root of its trace (`billing`),
* adds up what each user cost on each day (`spending`).

Of a model without a known price it says so, and never that it was free. A late span that repeats a call which is paid
for is not billed again (`billed_traces`).

    span ──calls──> records ──(trace buffer)──> whole traces ──billing──> bill ──shown──> columns
                                                                             └──spending──> findings
"""

from otelbridge.processors.llm_cost.processor import SPEC, LlmCost
from otelbridge.processors.llm_cost.settings import Config, PriceConfig

__all__ = ["SPEC", "Config", "LlmCost", "PriceConfig"]
