"""One name for each provider, whatever instrumentations call it."""

from __future__ import annotations

import pytest

from otelbridge.semconv.providers import canonical_provider, model_names, provider_of_host, providers


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ("openai", "openai"),
        ("openai.chat", "openai"),
        ("openai.responses", "openai"),
        ("OpenAI", "openai"),
        ("anthropic.messages", "anthropic"),
        ("azure.ai.openai", "azure.ai.openai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("azure-openai.chat", "azure.ai.openai"),
        ("azure", "azure.ai.openai"),
        ("azure.ai.inference", "azure.ai.inference"),
        ("az.ai.inference", "azure.ai.inference"),
        ("gcp.vertex_ai", "gcp.vertex_ai"),
        ("google.vertex.chat", "gcp.vertex_ai"),
        ("vertex.anthropic.messages", "gcp.vertex_ai"),
        ("vertexai", "gcp.vertex_ai"),
        ("gcp.gemini", "gcp.gemini"),
        ("google.generative-ai", "gcp.gemini"),
        ("gemini", "gcp.gemini"),
        ("gcp.gen_ai", "gcp.gen_ai"),
        ("aws.bedrock", "aws.bedrock"),
        ("amazon-bedrock", "aws.bedrock"),
        ("AWS", "aws.bedrock"),
        ("xai.chat", "x_ai"),
        ("x_ai", "x_ai"),
        ("mistral.chat", "mistral_ai"),
        ("mistralai", "mistral_ai"),
        ("groq.chat", "groq"),
        ("deepseek.chat", "deepseek"),
        ("togetherai.chat", "together"),
        ("ollama.chat", "ollama"),
        ("acme", "acme"),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_a_provider_has_one_name(reported: str | None, expected: str | None) -> None:
    assert canonical_provider(reported) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.openai.com", "openai"),
        ("acme.openai.azure.com", "azure.ai.openai"),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "aws.bedrock"),
        ("us-central1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("localhost", None),
        (None, None),
    ],
)
def test_a_public_api_names_its_provider(host: str | None, expected: str | None) -> None:
    assert provider_of_host(host) == expected


def test_a_client_pointed_elsewhere_has_two_opinions_its_own_first() -> None:
    assert providers("openai", "api.deepseek.com", ("deepseek-chat",)) == ("openai", "deepseek")


def test_a_gateway_hides_the_provider_in_the_models_name() -> None:
    assert providers("gateway", None, ("anthropic/claude-sonnet-4-5",)) == ("anthropic", "gateway")
    assert providers("vercel", None, ("xai/grok-4",)) == ("x_ai", "vercel")


def test_openrouter_has_prices_of_its_own() -> None:
    assert providers("openrouter.chat", None, ("openai/gpt-4o",)) == ("openrouter", "openai")


def test_without_a_name_only_a_known_prefix_is_a_provider() -> None:
    assert providers(None, None, ("openai/gpt-4o",)) == ("openai",)
    assert providers(None, None, ("models/gemini-2.5-pro",)) == ()


def test_a_model_is_looked_for_as_reported_and_without_its_path() -> None:
    assert model_names("gpt-4o") == ("gpt-4o",)
    assert model_names("openai/gpt-4o") == ("openai/gpt-4o", "gpt-4o")
    assert model_names("publishers/google/models/gemini") == (
        "publishers/google/models/gemini", "google/models/gemini", "gemini",
    )  # fmt: skip
