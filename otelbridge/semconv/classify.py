"""What part a span plays in a conversation with a model: the call itself, something around it, or a tool.

Instrumentations say it in five dialects, and many say it on spans that hold calls as well as on the calls. Whoever
adds up usage must know which is which, so the answer is one of four roles. The Vercel AI SDK is asked first, because
its spans often carry the words of another dialect too, put there by a converter.

Source of the words: OpenTelemetry GenAI conventions (gen_ai.operation.name), the AI SDK 3-7 (ai.operationId),
OpenInference (openinference.span.kind), OpenLLMetry and LiteLLM (llm.request.type), LangSmith and Langfuse kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """The part a span plays. The numbers are stored in the column `llm.role`; 0 is any other span."""

    NONE = 0
    CALL = 1
    """A request to a model provider."""
    REPORT = 2
    """Tells of a call that it is not: a business event that an application wrote by hand."""
    AGGREGATE = 3
    """Holds calls: an agent, a step, a workflow, the outer span of an AI SDK call. Its usage is a sum."""
    TOOL = 4
    """A tool that a model asked for. Calls below it are calls of their own, not the call above it."""


@dataclass(frozen=True, slots=True)
class Classification:
    """A span's role and its operation in OpenTelemetry's word (`chat`, `invoke_agent` ...), "" when there is none."""

    role: Role
    operation: str = ""


OTHER = Classification(Role.NONE)
COST_REPORT_NAME = "ai.cost_tracking"
"""Name of the span in which applications that count by hand tell what a call has cost, beside the call's own span."""

_CALL_OPERATIONS = {"chat", "text_completion", "generate_content", "embeddings", "rerank", "retrieval"}
_AGGREGATE_OPERATIONS = {"invoke_agent", "agent_step", "create_agent", "invoke_workflow", "handoff", "plan"}

_AI_SDK_INNER = {"doEmbed": "embeddings", "doRerank": "rerank"}

_OPENINFERENCE_KINDS = {
    "llm": Classification(Role.CALL, "chat"),
    "embedding": Classification(Role.CALL, "embeddings"),
    "reranker": Classification(Role.CALL, "rerank"),
    "agent": Classification(Role.AGGREGATE, "invoke_agent"),
    "tool": Classification(Role.TOOL, "execute_tool"),
}

_REQUEST_TYPES = {
    **dict.fromkeys(("chat", "llm", "generation", "responses"), Classification(Role.CALL, "chat")),
    **dict.fromkeys(("completion", "text_completion"), Classification(Role.CALL, "text_completion")),
    **dict.fromkeys(("embedding", "embeddings"), Classification(Role.CALL, "embeddings")),
    "rerank": Classification(Role.CALL, "rerank"),
    "agent": Classification(Role.AGGREGATE, "invoke_agent"),
    "workflow": Classification(Role.AGGREGATE, "invoke_workflow"),
    "tool": Classification(Role.TOOL, "execute_tool"),
    **dict.fromkeys(
        ("task", "chain", "retriever", "retrieval", "prompt", "parser", "span", "event", "evaluator", "guardrail"),
        Classification(Role.AGGREGATE),
    ),
}

OPERATION_TYPES = ("", "ai_client", "agent", "tool", "handoff", "other")
"""Values of Sentry's gen_ai.operation.type; "" for what is no operation. Usage is added up over `ai_client` only."""

_TYPE_OF_ROLE = {Role.CALL: "ai_client", Role.REPORT: "ai_client", Role.AGGREGATE: "agent", Role.TOOL: "tool"}


def classify(
    operation_id: str | None = None,
    operation_name: str | None = None,
    openinference_kind: str | None = None,
    request_type: str | None = None,
    *,
    has_usage: bool = False,
    is_cost_report: bool = False,
) -> Classification:
    """Role and operation of a span from the columns of the same names; OTHER for a span that has nothing of a model.

    A span with usage (tokens or a cost) and no word that is known is a call: better billed under no operation than
    lost, and whatever holds it or is held by it is sorted out later.
    """
    if is_cost_report and has_usage:
        return Classification(Role.REPORT, "chat")
    if operation_id and operation_id.startswith("ai."):
        return _of_ai_sdk(operation_id)
    named = _of_operation_name((operation_name or "").lower())
    if named is None and openinference_kind:
        named = _OPENINFERENCE_KINDS.get(openinference_kind.lower(), Classification(Role.AGGREGATE))
    if named is None and request_type:
        named = _of_request_type(request_type.lower())
    if named is None and has_usage:
        named = Classification(Role.CALL)
    return named or OTHER


def operation_type(classification: Classification) -> str:
    """One of OPERATION_TYPES."""
    if classification.role == Role.AGGREGATE and classification.operation in ("", "handoff"):
        return classification.operation
    return _TYPE_OF_ROLE.get(classification.role, "")


def _of_ai_sdk(operation_id: str) -> Classification:
    if operation_id == "ai.toolCall":
        return Classification(Role.TOOL, "execute_tool")
    inner = operation_id.rpartition(".")[2]
    if inner.startswith("do"):
        return Classification(Role.CALL, _AI_SDK_INNER.get(inner, "chat"))
    return Classification(Role.AGGREGATE, "invoke_agent")


def _of_operation_name(name: str) -> Classification | None:
    if name in _CALL_OPERATIONS:
        return Classification(Role.CALL, name)
    if name in _AGGREGATE_OPERATIONS:
        return Classification(Role.AGGREGATE, name)
    return Classification(Role.TOOL, name) if name == "execute_tool" else None


def _of_request_type(request_type: str) -> Classification | None:
    known = _REQUEST_TYPES.get(request_type)
    if known is None:  # LiteLLM names its asynchronous functions: acompletion, aembedding, aresponses
        known = _REQUEST_TYPES.get(request_type.removeprefix("a"))
    return known
