"""Which spans are calls to a model, in any dialect."""

from __future__ import annotations

import pytest

from otelbridge.semconv.classify import OPERATION_TYPES, OTHER, Classification, Role, classify, operation_type


@pytest.mark.parametrize(
    ("operation_id", "role", "operation"),
    [
        ("ai.generateText.doGenerate", Role.CALL, "chat"),
        ("ai.streamText.doStream", Role.CALL, "chat"),
        ("ai.generateObject.doGenerate", Role.CALL, "chat"),
        ("ai.streamObject.doStream", Role.CALL, "chat"),
        ("ai.embed.doEmbed", Role.CALL, "embeddings"),
        ("ai.embedMany.doEmbed", Role.CALL, "embeddings"),
        ("ai.rerank.doRerank", Role.CALL, "rerank"),
        ("ai.streamText", Role.AGGREGATE, "invoke_agent"),
        ("ai.embedMany", Role.AGGREGATE, "invoke_agent"),
        ("ai.toolCall", Role.TOOL, "execute_tool"),
    ],
)
def test_the_ai_sdk_names_inner_spans_by_what_they_do(operation_id: str, role: Role, operation: str) -> None:
    assert classify(operation_id) == Classification(role, operation)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("chat", Role.CALL),
        ("Chat", Role.CALL),
        ("text_completion", Role.CALL),
        ("generate_content", Role.CALL),
        ("embeddings", Role.CALL),
        ("retrieval", Role.CALL),
        ("invoke_agent", Role.AGGREGATE),
        ("agent_step", Role.AGGREGATE),
        ("create_agent", Role.AGGREGATE),
        ("invoke_workflow", Role.AGGREGATE),
        ("handoff", Role.AGGREGATE),
        ("execute_tool", Role.TOOL),
    ],
)
def test_opentelemetrys_operation_decides(name: str, role: Role) -> None:
    assert classify(operation_name=name) == Classification(role, name.lower())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("LLM", Classification(Role.CALL, "chat")),
        ("EMBEDDING", Classification(Role.CALL, "embeddings")),
        ("RERANKER", Classification(Role.CALL, "rerank")),
        ("AGENT", Classification(Role.AGGREGATE, "invoke_agent")),
        ("CHAIN", Classification(Role.AGGREGATE)),
        ("RETRIEVER", Classification(Role.AGGREGATE)),
        ("TOOL", Classification(Role.TOOL, "execute_tool")),
    ],
)
def test_openinference_says_it_as_a_kind(kind: str, expected: Classification) -> None:
    assert classify(openinference_kind=kind) == expected


@pytest.mark.parametrize(
    ("request_type", "expected"),
    [
        ("chat", Classification(Role.CALL, "chat")),  # OpenLLMetry
        ("acompletion", Classification(Role.CALL, "text_completion")),  # LiteLLM
        ("aembedding", Classification(Role.CALL, "embeddings")),
        ("llm", Classification(Role.CALL, "chat")),  # LangSmith
        ("generation", Classification(Role.CALL, "chat")),  # Langfuse
        ("agent", Classification(Role.AGGREGATE, "invoke_agent")),
        ("workflow", Classification(Role.AGGREGATE, "invoke_workflow")),
        ("task", Classification(Role.AGGREGATE)),
        ("span", Classification(Role.AGGREGATE)),
        ("tool", Classification(Role.TOOL, "execute_tool")),
    ],
)
def test_other_dialects_say_it_as_a_request_type(request_type: str, expected: Classification) -> None:
    assert classify(request_type=request_type) == expected


def test_the_ai_sdk_is_believed_before_a_converter_that_added_words() -> None:
    assert classify("ai.streamText", "chat", "LLM", "chat").role is Role.AGGREGATE


def test_usage_without_a_known_word_is_a_call() -> None:
    assert classify(has_usage=True) == Classification(Role.CALL)
    assert classify(operation_name="acme.magic", has_usage=True) == Classification(Role.CALL)


def test_words_without_usage_that_nobody_knows_are_nothing() -> None:
    assert classify(operation_name="acme.magic", request_type="unknown") == OTHER
    assert classify() == OTHER


def test_an_unknown_operation_leaves_the_decision_to_other_words() -> None:
    assert classify(operation_name="acme.magic", openinference_kind="LLM").role is Role.CALL


def test_a_hand_written_cost_span_is_a_report_and_no_call() -> None:
    assert classify(has_usage=True, is_cost_report=True).role is Role.REPORT
    assert classify(is_cost_report=True) == OTHER


@pytest.mark.parametrize(
    ("classification", "expected"),
    [
        (Classification(Role.CALL, "chat"), "ai_client"),
        (Classification(Role.CALL), "ai_client"),
        (Classification(Role.AGGREGATE, "agent_step"), "agent"),
        (Classification(Role.AGGREGATE, "handoff"), "handoff"),
        (Classification(Role.AGGREGATE), ""),
        (Classification(Role.TOOL, "execute_tool"), "tool"),
        (OTHER, ""),
    ],
)
def test_sentrys_type_follows_from_the_role(classification: Classification, expected: str) -> None:
    assert operation_type(classification) == expected
    assert expected in OPERATION_TYPES
