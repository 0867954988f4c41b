"""Model calls under OpenInference's instrumentations of OpenAI's and Anthropic's clients."""

from __future__ import annotations

from app import serve_scenarios, tracing
from model_calls import REFUSALS, anthropic_scenarios, openai_scenarios
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor

with tracing("assistant") as provider:
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    AnthropicInstrumentor().instrument(tracer_provider=provider)
    serve_scenarios(provider, openai_scenarios() | anthropic_scenarios(), REFUSALS)
