"""Who was called: one name for each model provider, whatever the instrumentation calls it.

The names are OpenTelemetry's well-known values of `gen_ai.provider.name` where it has one (`gcp.gemini`,
`aws.bedrock`), else the provider's own in lower case. AI SDKs append the API they use (`openai.responses`,
`anthropic.messages`); gateways hide the provider in the model's name (`anthropic/claude-sonnet-4-5`); clients of one
provider are pointed at the API of another by its address. So there may be several opinions, in order of trust.
"""

from __future__ import annotations

import re
from functools import lru_cache

_RELEASE_DATE = re.compile(r"[-@]20\d\d-?[01]\d-?[0-3]\d$")  # OpenAI's, Anthropic's, and Vertex AI's way to write it
MAX_NAME_CHARACTERS = 200  # longer is not a name; longest model id in genai-prices 0.2.3: 74

_ALIASES = {
    "amazon": "aws.bedrock",
    "aws": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "azure_ai": "azure.ai.inference",
    "claude": "anthropic",
    "fireworks_ai": "fireworks",
    "gcp.gen_ai": "gcp.gen_ai",
    "grok": "x_ai",
    "ibm.watsonx.ai": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshotai",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "togetherai": "together",
    "voyage": "voyageai",
    "watsonx": "ibm.watsonx.ai",
    "x-ai": "x_ai",
    "xai": "x_ai",
}
_FAMILIES = (
    # (how a name may begin, what it may contain, the provider); the first that fits
    ("azure", "inference", "azure.ai.inference"),
    ("az", "openai", "azure.ai.openai"),
    ("azure", "", "azure.ai.openai"),
    ("", "vertex", "gcp.vertex_ai"),
    ("", "bedrock", "aws.bedrock"),
    ("google", "", "gcp.gemini"),
    ("gemini", "", "gcp.gemini"),
    ("gcp.gemini", "", "gcp.gemini"),
)
_GATEWAYS = {
    "ai-gateway",
    "bifrost",
    "gateway",
    "helicone",
    "litellm",
    "litellm_proxy",
    "openrouter",
    "portkey",
    "vercel",
}
_HOSTS = (
    # (end of the host name, the provider)
    ("api.anthropic.com", "anthropic"),
    ("api.cerebras.ai", "cerebras"),
    ("api.cohere.ai", "cohere"),
    ("api.cohere.com", "cohere"),
    ("api.deepseek.com", "deepseek"),
    ("api.fireworks.ai", "fireworks"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.openai.com", "openai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.together.xyz", "together"),
    ("api.x.ai", "x_ai"),
    ("openrouter.ai", "openrouter"),
    (".openai.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.inference"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
)
_KNOWN = frozenset(
    {"anthropic", "openai"}
    | set(_ALIASES.values())
    | {provider for _, _, provider in _FAMILIES}
    | {provider for _, provider in _HOSTS}
)


def canonical_provider(name: str | None) -> str | None:
    """The provider's one name; None when nothing is said. A name that is not known stays, in lower case."""
    text = (name or "").strip().lower()[:MAX_NAME_CHARACTERS]
    if not text:
        return None
    if text in _ALIASES:
        return _ALIASES[text]
    for beginning, part, provider in _FAMILIES:
        if text.startswith(beginning) and part in text:
            return provider
    head = text.split(".", 1)[0]  # openai.responses, groq.chat, deepinfra.completion
    return _ALIASES.get(head, head)


def provider_of_host(host: str | None) -> str | None:
    """The provider behind the host name of its public API; None for any other host."""
    text = (host or "").strip().lower()
    if text.startswith("bedrock-runtime.") and ".amazonaws.com" in text:
        return "aws.bedrock"
    return next((provider for end, provider in _HOSTS if text.endswith(end)), None)


def providers(name: str | None, host: str | None, models: tuple[str, ...]) -> tuple[str, ...]:
    """Opinions on who was called, the most trusted first; empty when nothing hints at one.

    A gateway's own name counts only if it sets prices of its own (OpenRouter) or nothing better is known. Without any
    name, what stands before the slash of a model counts only if it is a provider (`models/gemini-2.5-pro`).
    """
    said = canonical_provider(name)
    prefixes = [canonical_provider(model.split("/", 1)[0]) for model in models if "/" in model]
    behind = provider_of_host(host)
    if said == "openrouter":
        ordered = [said, *prefixes]
    elif said in _GATEWAYS:
        ordered = [*prefixes, behind, said]
    else:
        ordered = [said, behind, *(prefix for prefix in prefixes if said is None and prefix in _KNOWN)]
    return tuple(dict.fromkeys(provider for provider in ordered if provider))


@lru_cache(maxsize=1024)  # there are few, and each comes often
def provider_of_call(name: str | None, model: str | None) -> str | None:
    """The most trusted opinion on who was called, from what every instrumentation tells; None when nothing hints."""
    return next(iter(providers(name, None, (model,) if model else ())), None)


def model_family(model: str) -> str:
    """A model's name without the date of its release: who asks for `gpt-4o` is answered by `gpt-4o-2024-08-06`."""
    return _RELEASE_DATE.sub("", model)


def model_names(model: str) -> tuple[str, ...]:
    """A model's name as reported, then without what gateways and resource paths put before it."""
    names = (model, model.split("/", 1)[-1], model.rsplit("/", 1)[-1])
    return tuple(dict.fromkeys(name for name in names if name))
