"""Model calls under OpenTelemetry's own instrumentation of OpenAI or under Traceloop's.

The argument says which: `official` (attributes of semantic conventions 1.30, its default), `official-latest` (those
of today, which it has to be asked for) or `traceloop`, which has a companion for Anthropic.
"""

from __future__ import annotations

import os
import sys

from app import serve_scenarios, tracing
from model_calls import REFUSALS, anthropic_scenarios, openai_scenarios

with tracing("assistant") as provider:
    if sys.argv[1].startswith("official"):
        if sys.argv[1] == "official-latest":
            os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=provider)
        serve_scenarios(provider, openai_scenarios(), REFUSALS)
    else:
        from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor as TraceloopInstrumentor

        TraceloopInstrumentor().instrument(tracer_provider=provider)
        AnthropicInstrumentor().instrument(tracer_provider=provider)
        serve_scenarios(provider, openai_scenarios() | anthropic_scenarios(), REFUSALS)
