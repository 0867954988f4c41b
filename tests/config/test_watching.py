from __future__ import annotations

from pathlib import Path

import pytest

from otelbridge.catalogue import catalogue
from otelbridge.config.load import load
from otelbridge.config.problems import InvalidConfiguration

BASE = """\
receivers: {{otlp: {{protocols: {{grpc: }}}}}}
processors: {{db_queries: , db_queries/slow: , span_metrics: , group_by_trace: }}
trackers:
  degradation:
    watch:
      - measurement: {measurement}
exporters: {{local_store: }}
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [{processors}group_by_trace]
      trackers: [degradation]
      exporters: [local_store]
"""


def warnings(
    tmp_path: Path, measurement: str = "db.query.duration", processors: str = "db_queries, "
) -> tuple[str, ...]:
    file = tmp_path / "config.yaml"
    file.write_text(BASE.format(measurement=measurement, processors=processors))
    return load([str(file)], (), {}, catalogue()).warnings


def test_what_a_processor_of_the_pipeline_measures_can_be_watched(tmp_path: Path) -> None:
    assert [text for text in warnings(tmp_path) if "degradation" in text or "measure" in text] == []


def test_a_measurement_that_there_is_not_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        warnings(tmp_path, measurement="db.query.durations")

    said = str(refused.value)
    assert "config.yaml:6:22: trackers.degradation.watch[0].measurement: " in said
    assert "no processor measures `db.query.durations`" in said
    assert "; did you mean `db.query.duration`?" in said


def test_what_two_processors_measure_is_counted_twice_and_said_to_be(tmp_path: Path) -> None:
    twice = warnings(tmp_path, processors="db_queries, db_queries/slow, ")
    said = [text for text in twice if "twice" in text]
    assert len(said) == 1
    assert "service.pipelines.traces.processors[1]: `db_queries` measures `db.query.duration`, too" in said[0]


def test_two_processors_that_measure_what_nobody_watches_do_no_harm(tmp_path: Path) -> None:
    twice = warnings(
        tmp_path, measurement="http.route.duration", processors="db_queries, db_queries/slow, span_metrics, "
    )
    assert [text for text in twice if "twice" in text] == []


def test_a_measurement_that_nobody_in_the_pipeline_makes_is_odd(tmp_path: Path) -> None:
    said = " ".join(warnings(tmp_path, measurement="http.route.duration"))

    assert "trackers.degradation.watch[0].measurement: no processor of `traces` measures it; span_metrics would" in said
    assert "trackers[0]: no processor of the pipeline measures what it watches" in said


def with_metrics(measurement: str, *, tracker: str = "degradation") -> str:
    """The same tracker in a pipeline of metrics too, or another one."""
    text = BASE.format(measurement=measurement, processors="db_queries, ")
    lists = f"{{receivers: [otlp], trackers: [{tracker}], exporters: [local_store]}}"
    return f"{text}    metrics: {lists}\n".replace("trackers:\n", "trackers:\n  cascade:\n", 1)


def loaded(tmp_path: Path, text: str) -> tuple[str, ...]:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return load([str(file)], (), {}, catalogue()).warnings


def test_any_metric_can_be_watched_where_metrics_come_in(tmp_path: Path) -> None:
    said = " ".join(loaded(tmp_path, with_metrics("http.server.request.duration")))

    assert "no processor measures" not in said
    assert "metrics.trackers[0]" not in said


def test_elsewhere_a_pipeline_of_metrics_is_offered(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        loaded(tmp_path, with_metrics("http.server.request.duration", tracker="cascade"))

    said = "no processor measures `http.server.request.duration`, and a metric is watched in a pipeline `metrics`"
    assert said in str(refused.value)


def test_a_tracker_of_spans_alone_is_odd_where_metrics_come_in(tmp_path: Path) -> None:
    said = " ".join(loaded(tmp_path, with_metrics("db.query.duration", tracker="cascade")))

    assert "service.pipelines.metrics.trackers[0]: watches only what is measured on spans" in said


def test_one_that_is_watched_by_default_need_not_be_made() -> None:
    assert load(["default"], (), {}, catalogue()).warnings == ()


CAPACITY = """\
receivers: {{otlp: {{protocols: {{grpc: }}}}}}
processors: {{llm_cost: , group_by_trace: }}
trackers: {{capacity: {{known_limits: {known}, limits: [{{measurement: {measurement}, limit: 5}}]}}}}
exporters: {{local_store: }}
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [llm_cost, group_by_trace]
      trackers: [{of_traces}]
      exporters: [local_store]
    metrics: {{receivers: [otlp], trackers: [capacity], exporters: [local_store]}}
"""


def capacity(tmp_path: Path, measurement: str, of_traces: str = "", known: str = "true") -> str:
    return " ".join(loaded(tmp_path, CAPACITY.format(measurement=measurement, of_traces=of_traces, known=known)))


def test_what_only_spans_have_is_odd_where_the_tracker_sees_none(tmp_path: Path) -> None:
    said = (
        "trackers.capacity.limits[0].measurement: is measured on spans, and `capacity` stands in no pipeline of traces"
    )

    assert said in capacity(tmp_path, "llm.tokens")
    assert "limits[0]" not in capacity(tmp_path, "llm.tokens", of_traces="capacity")


def test_a_name_that_is_nearly_one_of_spans_is_odd_among_metrics(tmp_path: Path) -> None:
    said = "limits[0].measurement: taken for the name of a metric; did you mean `llm.tokens`?"

    assert said in capacity(tmp_path, "llm.tokns")
    assert "limits[0]" not in capacity(tmp_path, "jobs.waiting")


def test_a_tracker_of_nothing_is_odd(tmp_path: Path) -> None:
    text = CAPACITY.format(measurement="x", of_traces="", known="false").replace("[{measurement: x, limit: 5}]", "[]")

    assert "service.pipelines.metrics.trackers[0]: watches nothing" in " ".join(loaded(tmp_path, text))
