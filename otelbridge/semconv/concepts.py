"""What the many dialects of instrumentation mean: attribute names -> one column, as data.

Instrumentations name the same thing differently (`db.statement`, `db.query.text`) and in different units. A component
asks for the concept; this table says where it may be found. Sources are tried from left to right and the first usable
value wins: a number must be finite and, where `minimum` says so, not below it; text must not be empty; numbers in text
are parsed. To add a concept, add a row.

Source of the rows: OpenTelemetry semantic conventions 1.37 and the deprecated registry before it, and what the Vercel
AI SDK 3-7, OpenInference, OpenLLMetry, Langfuse, LangSmith, LiteLLM, the Anthropic SDK and coding agents were seen to
emit on the wire.
"""

from __future__ import annotations

import polars as pl

from otelbridge.core.schema import Concept, Source, Where


def _sources(names: str | tuple[str | tuple[str, float], ...]) -> tuple[Source, ...]:
    if isinstance(names, str):
        return tuple(Source(name) for name in names.split())
    return tuple(Source(*name) if isinstance(name, tuple) else Source(name) for name in names)


def _text(name: str, meaning: str, names: str, where: Where = "span") -> Concept:
    return Concept(name, pl.String, "", meaning, _sources(names), where)


def _tokens(name: str, meaning: str, names: str) -> Concept:
    return Concept(name, pl.Int64, "tokens", meaning, _sources(names), minimum=0)


SECONDS = 1e3  # milliseconds in one

RESOURCE: tuple[Concept, ...] = (
    _text("service", "service.name", "service.name", "resource"),
    _text("service.namespace", "namespace of the service", "service.namespace", "resource"),
    _text("environment", "deployment environment", "deployment.environment.name deployment.environment", "resource"),
    _text("release", "version of the service", "service.version", "resource"),
    _text(
        "instance",
        "one of several processes of the service",
        "service.instance.id k8s.pod.name container.id host.name",
        "resource",
    ),
    _text("host", "host name", "host.name", "resource"),
    _text("sdk.language", "language of the SDK", "telemetry.sdk.language", "resource"),
)

DATABASE: tuple[Concept, ...] = (
    _text("db.system.name", "database product", "db.system.name db.system"),
    _text("db.query.text", "statement as sent; literals are removed by db_queries", "db.query.text db.statement"),
    _text("db.query.summary", "low-cardinality summary: operation and targets", "db.query.summary"),
    _text("db.operation.name", "operation: SELECT, find, GET", "db.operation.name db.operation"),
    _text(
        "db.collection.name",
        "table, collection or container",
        "db.collection.name db.sql.table db.table db.mongodb.collection db.cassandra.table",
    ),
    _text("db.namespace", "database, schema or index", "db.namespace db.name db.redis.database_index"),
)

HTTP: tuple[Concept, ...] = (
    _text("http.request.method", "HTTP method", "http.request.method http.method"),
    Concept(
        "http.response.status_code", pl.Int64, "", "HTTP status", _sources("http.response.status_code http.status_code")
    ),
    _text("http.route", "route template", "http.route next.route"),
    _text("url.path", "path of the URL", "url.path http.target"),
    _text("url.full", "whole URL", "url.full http.url"),
    _text("server.address", "host called or serving", "server.address net.peer.name http.host"),
)

OTHER_OPERATIONS: tuple[Concept, ...] = (
    _text("rpc.system", "RPC system", "rpc.system.name rpc.system"),
    _text("rpc.service", "RPC service", "rpc.service"),
    _text("messaging.system", "messaging system", "messaging.system"),
    _text("faas.trigger", "what started a function", "faas.trigger"),
    _text("sentry.op", "operation set by hand for Sentry", "sentry.op"),
    _text("mcp.method.name", "MCP method", "mcp.method.name"),
    _text("mcp.server.name", "MCP server", "mcp.server.name fastmcp.server.name"),
    _text("error.type", "class of the error", "error.type exception.type"),
)

GEN_AI_USAGE: tuple[Concept, ...] = (
    _tokens(
        "gen_ai.usage.input_tokens",
        "input tokens as reported; llm_cost makes them include cached ones",
        "gen_ai.usage.input_tokens ai.usage.inputTokens gen_ai.usage.prompt_tokens llm.usage.prompt_tokens "
        "llm.token_count.prompt ai.usage.promptTokens ai.usage.tokens codex.turn.token_usage.input_tokens "
        "langfuse.observation.usage_details.input langsmith.usage_metadata.input_tokens ai.prompt_tokens.used "
        "ai.tokens.prompt",
    ),
    _tokens(
        "gen_ai.usage.output_tokens",
        "output tokens, reasoning included",
        "gen_ai.usage.output_tokens ai.usage.outputTokens gen_ai.usage.completion_tokens llm.usage.completion_tokens "
        "llm.token_count.completion ai.usage.completionTokens codex.turn.token_usage.output_tokens "
        "ai.completion_tokens.used ai.tokens.completion",
    ),
    _tokens(
        "gen_ai.usage.cache_read.input_tokens",
        "input tokens read from the provider's cache",
        "gen_ai.usage.cache_read.input_tokens ai.usage.inputTokenDetails.cacheReadTokens ai.usage.cachedInputTokens "
        "gen_ai.usage.cache_read_input_tokens gen_ai.usage.input_tokens.cached gen_ai.usage.input_cached_tokens "
        "gen_ai.usage.cache_read_tokens gen_ai.usage.details.cache_read_tokens "
        "llm.token_count.prompt_details.cache_read codex.turn.token_usage.cached_input_tokens",
    ),
    _tokens(
        "gen_ai.usage.cache_creation.input_tokens",
        "input tokens written to the provider's cache",
        "gen_ai.usage.cache_creation.input_tokens gen_ai.usage.cache_write.input_tokens "
        "ai.usage.inputTokenDetails.cacheWriteTokens gen_ai.usage.cache_creation_input_tokens "
        "gen_ai.usage.input_tokens.cache_write gen_ai.usage.input_cache_creation "
        "gen_ai.usage.details.cache_write_tokens llm.token_count.prompt_details.cache_write",
    ),
    _tokens(
        "gen_ai.usage.reasoning.output_tokens",
        "output tokens spent on reasoning",
        "gen_ai.usage.reasoning.output_tokens ai.usage.outputTokenDetails.reasoningTokens ai.usage.reasoningTokens "
        "gen_ai.usage.reasoning_tokens gen_ai.usage.output_tokens.reasoning gen_ai.usage.details.reasoning_tokens "
        "llm.usage.reasoning_tokens llm.token_count.completion_details.reasoning "
        "codex.turn.token_usage.reasoning_output_tokens",
    ),
    _tokens(
        "gen_ai.usage.total_tokens",
        "total as reported; used only where input and output are absent",
        "gen_ai.usage.total_tokens ai.usage.totalTokens llm.usage.total_tokens llm.token_count.total ai.tokens.total",
    ),
    _tokens(
        "ai.usage.inputTokenDetails.noCacheTokens",
        "input tokens neither read from nor written to a cache: tells what input_tokens includes",
        "ai.usage.inputTokenDetails.noCacheTokens",
    ),
    Concept(
        "gen_ai.cost.total_tokens",
        pl.Float64,
        "USD",
        "cost as the instrumentation reports it",
        _sources(
            "gen_ai.usage.cost gen_ai.cost.total_tokens operation.cost llm.cost.total gen_ai.usage.total_cost "
            "langfuse.observation.cost_details.total ai.total_cost ai.cost.total_usd"
        ),
        minimum=0,
    ),
)

GEN_AI: tuple[Concept, ...] = (
    _text(
        "gen_ai.request.model",
        "model asked for",
        "gen_ai.request.model ai.model.id llm.request.model_name llm.model_name embedding.model_name ai.model model",
    ),
    _text(
        "gen_ai.response.model",
        "model that answered: this one is priced",
        "gen_ai.response.model ai.response.model llm.response.model_name langfuse.observation.model.name",
    ),
    _text(
        "gen_ai.provider.name",
        "provider as reported; llm_cost maps it",
        "gen_ai.provider.name gen_ai.system ai.model.provider llm.provider llm.system ai.provider",
    ),
    _text("llm.invocation_parameters", "JSON of what OpenInference saw asked for", "llm.invocation_parameters"),
    _text("gen_ai.operation.name", "chat, embeddings, invoke_agent ...", "gen_ai.operation.name"),
    _text("ai.operationId", "operation of the Vercel AI SDK", "ai.operationId"),
    _text("openinference.span.kind", "kind as OpenInference says it", "openinference.span.kind"),
    _text(
        "llm.request.type",
        "kind as OpenLLMetry, LangSmith and Langfuse say it",
        "llm.request.type traceloop.span.kind langsmith.span.kind langfuse.observation.type",
    ),
    _text("gen_ai.response.id", "id of the provider's answer", "gen_ai.response.id ai.response.id"),
    _text("ai.response.providerMetadata", "JSON of the provider's own usage", "ai.response.providerMetadata"),
    _text("ai.request.headers.user-agent", "names the AI SDK's major version", "ai.request.headers.user-agent"),
    _text(
        "gen_ai.openai.request.service_tier",
        "price tier asked for or granted",
        "gen_ai.openai.response.service_tier openai.response.service_tier anthropic.response.service_tier "
        "gen_ai.openai.request.service_tier openai.request.service_tier gen_ai.request.service_tier",
    ),
    _text(
        "gen_ai.conversation.id",
        "thread, chat or session",
        "gen_ai.conversation.id session.id langfuse.session.id ai.telemetry.metadata.sessionId "
        "ai.telemetry.metadata.chatId ai.telemetry.metadata.threadId ai.settings.context.sessionId "
        "ai.settings.context.chatId langsmith.trace.session_id traceloop.association.properties.session_id "
        "traceloop.association.properties.chat_id thread.id ai.thread_id",
    ),
    _text(
        "user.id",
        "who caused the call",
        "user.id enduser.id enduser.pseudo.id gen_ai.user llm.user langfuse.user.id ai.telemetry.metadata.userId "
        "ai.settings.context.userId traceloop.association.properties.user_id metadata.user_api_key_user_id ai.user_id "
        "baggage.user.id",
    ),
    _text(
        "project.id",
        "project or team the call belongs to",
        "project.id ai.telemetry.metadata.projectId ai.settings.context.projectId "
        "traceloop.association.properties.project_id metadata.user_api_key_team_id ai.project_id",
    ),
    _text(
        "gen_ai.agent.name",
        "agent or function",
        "gen_ai.agent.name ai.telemetry.functionId traceloop.entity.name agent.name agent_name",
    ),
    _text("gen_ai.tool.name", "tool called", "gen_ai.tool.name ai.toolCall.name mcp.tool.name tool.name"),
)

GEN_AI_PERFORMANCE: tuple[Concept, ...] = (
    Concept(
        "ai.ttft_ms",
        pl.Float64,
        "ms",
        "time to the first token of a streamed answer",
        _sources(
            (
                ("gen_ai.response.time_to_first_chunk", SECONDS),
                ("gen_ai.client.operation.time_to_first_chunk", SECONDS),
                ("gen_ai.response.time_to_first_token", SECONDS),
                ("gen_ai.server.time_to_first_token", SECONDS),
                "ai.response.msToFirstChunk",
                "ai.stream.msToFirstChunk",
                "ai.ttft_ms",
            )
        ),
        minimum=0,
    ),
    Concept(
        "gen_ai.request.stream",
        pl.Boolean,
        "",
        "whether the answer is streamed",
        _sources("gen_ai.request.stream gen_ai.response.streaming gen_ai.is_streaming llm.is_streaming"),
    ),
    Concept(
        "http.request.resend_count",
        pl.Int64,
        "",
        "how often a request was sent again",
        _sources("http.request.resend_count http.resend_count gen_ai.retry.count gen_ai.retry_count ai.retry_count"),
        minimum=0,
    ),
    Concept(
        "ai.latency_ms", pl.Float64, "ms", "how long a call took, as told by hand", _sources("ai.latency_ms"), minimum=0
    ),
    Concept("ai.success", pl.Boolean, "", "whether a call succeeded, as told by hand", _sources("ai.success")),
)

CONCEPTS: dict[str, Concept] = {
    concept.name: concept
    for concept in (*RESOURCE, *DATABASE, *HTTP, *OTHER_OPERATIONS, *GEN_AI_USAGE, *GEN_AI, *GEN_AI_PERFORMANCE)
}
