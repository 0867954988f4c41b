"""What every processor of the catalogue promises, tested once for all of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from otelbridge.catalogue import BUILT_IN
from otelbridge.core.component import ComponentSpec
from otelbridge.semconv.concepts import CONCEPTS
from tests.contract.conftest import PROCESSORS, pipeline_of, real_traffic, run, run_with_kills
from tests.support.otlp import request_of, span, spans_of, trace_id

FINE = {"check_exact": False, "rel_tol": 1e-9, "check_column_order": False}


@pytest.mark.parametrize("seed", [1, 2])
def test_any_split_of_the_input_gives_the_same_output(names: list[str], seed: int) -> None:
    stream = real_traffic(seed)
    rng = random.Random(seed)
    cuts = {rng.randrange(1, len(stream) + 1) for _ in range(len(stream) // 6)}

    split, whole = run(names, stream, cuts), run(names, stream, set())

    assert_frame_equal(split.spans, whole.spans, **FINE)  # type: ignore[arg-type]
    assert split.findings == whole.findings
    assert split.ledger == whole.ledger


@pytest.mark.parametrize("seed", [3, 4])
def test_kill_restore_and_replay_give_the_same_output(names: list[str], seed: int, tmp_path: Path) -> None:
    stream = real_traffic(seed)
    rng = random.Random(seed)
    kills = {rng.randrange(1, len(stream) + 1) for _ in range(6)}

    killed = run_with_kills(names, stream, kills, tmp_path / "state.sqlite")
    uninterrupted = run(names, stream, set())

    assert_frame_equal(killed.spans, uninterrupted.spans, **FINE)  # type: ignore[arg-type]
    assert killed.findings == uninterrupted.findings
    assert killed.ledger == uninterrupted.ledger


def test_no_span_is_lost_or_made_up(names: list[str]) -> None:
    made = run(names, real_traffic(5), set())

    assert made.unaccounted == 0
    assert made.spans.select("trace_id", "span_id").is_duplicated().sum() == 0


KEYS = sorted({source.key for concept in CONCEPTS.values() for source in concept.sources})
VALUES: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=30),
    st.binary(max_size=8),
    st.lists(st.text(max_size=5), max_size=3),
    st.sampled_from(
        ["chat", "ai.streamText.doStream", "SELECT * FROM t WHERE a = 1", "openai.chat", "gpt-4o", "LLM", "{}"]
    ),
)
SPANS = st.lists(
    st.tuples(
        st.integers(1, 3),  # trace
        st.integers(0, 4),  # parent: which of the spans before it; 0 none
        st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8),
        st.integers(-(10**12), 10**12),  # duration in ns
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=20)
@given(SPANS)
def test_no_component_raises_on_decodable_input(spans: list[tuple[int, int, dict[str, Any], int]]) -> None:
    made = []
    for trace, parent, attributes, duration in spans:
        above = made[-parent].span_id if 0 < parent <= len(made) else b""
        (one,) = spans_of(span("x", attributes=attributes), trace_id(trace), above)
        one.end_time_unix_nano = max(0, one.start_time_unix_nano + duration)
        made.append(one)

    run([spec.name for spec in PROCESSORS], [(request_of(made), 1000.0)], set())


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_a_component_says_what_it_is(spec: ComponentSpec[Any]) -> None:
    assert spec.summary
    assert spec.config.__doc__
    for name, field in spec.config.model_fields.items():
        assert field.description, f"{spec.name}.{name} has no documentation"


def test_processors_add_what_they_declare() -> None:
    made = run([spec.name for spec in PROCESSORS], real_traffic(6), set())

    for spec in PROCESSORS:
        for column in spec.adds:
            if column.name in made.spans.columns:
                assert made.spans[column.name].dtype == column.dtype, column.name


def test_snapshots_are_what_restore_takes() -> None:
    pipeline = pipeline_of([spec.name for spec in PROCESSORS])
    for step in pipeline.steps():
        state = step.processor.snapshot()
        step.processor.restore(state)
        assert step.processor.snapshot() == state
