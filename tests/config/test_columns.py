from __future__ import annotations

from pathlib import Path

import pytest

from otelbridge.config.load import load
from otelbridge.config.model import Catalogue
from otelbridge.config.problems import InvalidConfiguration
from tests.config.catalogue import BASE, CATALOGUE, SLOW, heads, load_texts, refused

PATH = "processors.sample.rules[0].any_span"


def rule(condition: str) -> str:
    return f"processors:\n  sample:\n    rules:\n      - name: a\n        any_span: {condition}\n"


def underlined(said: str) -> str:
    """The part of the line that stands over the underline."""
    _, line, marks = said.splitlines()[:3]
    start = marks.index("^")
    return line[start : marks.rindex("^") + 1]


def test_a_condition_over_columns_of_the_pipeline_is_accepted(tmp_path: Path) -> None:
    load_texts(tmp_path, BASE, rule("slow AND db.system.name = 'postgresql' OR attribute('a.b') IS NOT NULL"))


@pytest.mark.parametrize(
    ("condition", "message", "part"),
    [
        ("status = 2 AND db.sytem.name = 'x'", "unknown column `db.sytem.name`; did you mean `db.system.name`?",
         "db.sytem.name"),
        ('"name = \'x\' AND duration_ms > \'y\'"', "a number is compared with a string", "duration_ms > 'y'"),
        ("'name = ''x'' AND nme = ''y'''", "unknown column `nme`; did you mean `name`?", "nme"),
        ('"name = \\"x\\""', "unknown column `x`; attribute(...) reads an attribute by its name", '"x\\"'),
        ("name =\n          'x' AND\n          nme = 'y'", "unknown column `nme`; did you mean `name`?", "nme"),
        (">\n          name = 'x'\n          AND nme = 'y'", "unknown column `nme`; did you mean `name`?", "nme"),
        ("|\n          name = 'x'\n            AND nme = 'y'\n", "unknown column `nme`; did you mean `name`?", "nme"),
        ("name = 'x' AND", "incomplete: a value is missing at `AND`", "AND"),
        ("name", "a string where something true or false is needed; compare it with something", "name"),
    ],
)  # fmt: skip  # one row a case
def test_a_mistake_is_underlined_inside_the_text(tmp_path: Path, condition: str, message: str, part: str) -> None:
    said = refused(tmp_path, rule(condition))

    assert heads(said) == [f"{PATH}: {message}"]
    assert underlined(said) == part


def test_a_condition_from_a_variable_is_underlined_whole(tmp_path: Path) -> None:
    said = refused(tmp_path, rule("'${C}'"), environment={"C": "name = 'x' AND nme = 'y'"})

    assert heads(said) == [f"{PATH}: unknown column `nme`; did you mean `name`?"]
    assert underlined(said) == "'${C}'"


def test_a_column_that_comes_too_late_is_told_apart_from_one_that_does_not_exist(tmp_path: Path) -> None:
    order = "service: {pipelines: {traces: {processors: [group_by_trace, sample, mark]}}}"

    said = refused(tmp_path, rule("slow"), order)

    assert heads(said) == [f"{PATH}: column `slow` is added by `mark`, which must stand before `sample`"]


def test_a_condition_must_hold_in_every_pipeline_of_its_component(tmp_path: Path) -> None:
    second = "{receivers: [otlp], processors: [group_by_trace, sample], exporters: [sentry]}"

    said = refused(tmp_path, rule("slow"), f"service: {{pipelines: {{traces/b: {second}}}}}")

    assert heads(said) == [f"{PATH}: column `slow` is added by `mark`, which must stand before `sample`"]


def test_a_condition_is_checked_in_a_component_that_is_wrong_elsewhere(tmp_path: Path) -> None:
    said = refused(tmp_path, rule("nme = 'x'") + "        keep: 2\n")

    assert heads(said) == [
        f"{PATH}: unknown column `nme`; did you mean `name`?",
        "processors.sample.rules[0].keep: must be at most 1, got 2",
    ]


def test_a_condition_is_checked_behind_a_processor_that_is_wrong(tmp_path: Path) -> None:
    said = refused(tmp_path, rule("slow"), "processors: {mark: {slow_ms: 0}}")

    assert heads(said) == ["processors.mark.slow_ms: must be greater than 0, got 0"]


def test_a_condition_is_checked_in_a_component_of_no_pipeline(tmp_path: Path) -> None:
    said = refused(tmp_path, rule("slow AND nme = 'x'").replace("sample:", "sample/b:"))

    assert heads(said) == ["processors.sample/b.rules[0].any_span: unknown column `nme`; did you mean `name`?"]


SHARE = "service: {pipelines: {traces: {processors: [%s]}}}\nprocessors: {share: {%s}}"


def test_a_column_that_a_component_reads_must_exist_where_it_is_named(tmp_path: Path) -> None:
    said = refused(tmp_path, SHARE % ("mark, group_by_trace, sample, share", "key: [name, durration_ms]"))

    assert heads(said) == ["processors.share.key[1]: there is no column `durration_ms`; did you mean `duration_ms`?"]
    assert said.splitlines()[2].count("^") == len("durration_ms")


def test_a_column_that_a_component_reads_must_be_made_before_it(tmp_path: Path) -> None:
    said = refused(tmp_path, SHARE % ("group_by_trace, sample, share, mark", "key: [slow]"))

    assert heads(said) == ["processors.share.key[0]: column `slow` is added by `mark`, which must stand before `share`"]


def test_a_column_that_a_component_reads_by_default_is_told_at_its_place_in_the_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(BASE.replace("  sample:\n", "  share:\n").replace(", sample]", ", share]"))
    catalogue = Catalogue.of(CATALOGUE.specs.values(), [SLOW])

    with pytest.raises(InvalidConfiguration) as caught:
        load([str(path)], (), {}, catalogue)

    assert heads(str(caught.value)) == ["service.pipelines.traces.processors[2]: there is no column `duration_ms`"]


@pytest.mark.parametrize("key", ["name", "slow", "shared", "span_id", "'attribute:a.b'", "'resource:k8s.pod'"])
def test_columns_that_exist_and_attributes_by_name_can_be_read(tmp_path: Path, key: str) -> None:
    load_texts(tmp_path, BASE, SHARE % ("mark, group_by_trace, sample, share", f"key: [{key}]"))


def test_a_column_of_a_condition_is_told_once(tmp_path: Path) -> None:
    said = refused(tmp_path, SHARE % ("group_by_trace, share", "when: slow AND nme = 'x'"))

    assert heads(said) == ["processors.share.when: column `slow` is added by `mark`, which must stand before `share`"]


def test_a_condition_that_is_none_is_told_once(tmp_path: Path) -> None:
    said = refused(tmp_path, SHARE % ("mark, group_by_trace, sample, share", "when: name ="))

    assert heads(said) == ["processors.share.when: incomplete: a value is missing at `=`"]
