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
    assert (
        "service.pipelines.traces.processors[1]: `db_queries` and `db_queries/slow` both measure `db.query.duration`, "
        "which trackers would count twice\n"
    ) in said[0]


def test_two_processors_that_measure_what_nobody_watches_do_no_harm(tmp_path: Path) -> None:
    twice = warnings(
        tmp_path, measurement="http.route.duration", processors="db_queries, db_queries/slow, span_metrics, "
    )
    assert [text for text in twice if "twice" in text] == []


def test_a_measurement_that_nobody_in_the_pipeline_makes_is_odd(tmp_path: Path) -> None:
    said = " ".join(warnings(tmp_path, measurement="http.route.duration"))

    assert "trackers.degradation.watch[0].measurement: no processor of `traces` measures it; span_metrics would" in said
    nothing = "trackers[0]: `degradation` watches `http.route.duration`, which no processor of `traces` measures; "
    assert f"{nothing}`span_metrics` would\n" in said


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

    assert "service.pipelines.metrics.trackers[0]: `cascade` watches only what is measured on spans, " in said
    assert "which do not come in here: `error.rate` and `service.call`\n" in said


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
    assert "limits[0]" not in capacity(tmp_path, "rpc.server.call.duration")


def test_a_name_that_is_nearly_that_of_a_known_metric_is_odd(tmp_path: Path) -> None:
    said = "limits[0].measurement: taken for the name of a metric; did you mean `db.client.connection.count`?"

    assert said in capacity(tmp_path, "db.client.connection.cuont")


@pytest.mark.parametrize("metric", ["db.client.connection.count", "db.client.connection.idle.max", "jvm.memory.init"])
def test_a_metric_that_exists_is_not_doubted(tmp_path: Path, metric: str) -> None:
    assert "limits[0]" not in capacity(tmp_path, metric)


def test_a_tracker_of_nothing_is_odd(tmp_path: Path) -> None:
    text = CAPACITY.format(measurement="x", of_traces="", known="false").replace("[{measurement: x, limit: 5}]", "[]")

    assert "service.pipelines.metrics.trackers[0]: `capacity` watches nothing\n" in " ".join(loaded(tmp_path, text))
    in_traces = text.replace("trackers: []", "trackers: [capacity]")
    assert "service.pipelines.traces.trackers[0]: `capacity` watches nothing\n" in " ".join(loaded(tmp_path, in_traces))


def test_metrics_watched_among_spans_are_told_to_be_elsewhere(tmp_path: Path) -> None:
    text = CAPACITY.format(measurement="jobs.waiting", of_traces="capacity", known="true")

    (said,) = [warning for warning in loaded(tmp_path, text) if "traces.trackers[0]" in warning]

    assert "`capacity` watches `container.memory.percent`, `db.client.connection.count`, " in said
    assert " more, which nobody measures on spans: metrics are watched in a pipeline `metrics`\n" in said


def test_of_what_nobody_measures_only_what_could_be_is_named(tmp_path: Path) -> None:
    text = CAPACITY.format(measurement="llm.tokens", of_traces="capacity", known="true")

    said = " ".join(loaded(tmp_path, text.replace("[llm_cost, group_by_trace]", "[group_by_trace]")))

    assert "`capacity` watches `llm.tokens`, which no processor of `traces` measures; `llm_cost` would\n" in said


TWICE = """\
receivers: {otlp: {protocols: {grpc: }}}
processors: {span_metrics: , span_metrics/2: , span_metrics/3: , db_queries: , db_queries/slow: , group_by_trace: }
trackers: {error_spike: , cascade: , degradation: }
exporters: {local_store: }
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [PROCESSORS, group_by_trace]
      trackers: [error_spike, cascade]
      exporters: [local_store]
"""


def counted_twice(tmp_path: Path, processors: str, trackers: str = "error_spike, cascade") -> list[str]:
    """What is said of it, without the places."""
    text = TWICE.replace("PROCESSORS", processors).replace("error_spike, cascade]", f"{trackers}]")
    return [warning.splitlines()[0].split(": ", 1)[1] for warning in loaded(tmp_path, text) if "would count" in warning]


def test_all_that_is_counted_twice_is_named_at_once(tmp_path: Path) -> None:
    assert counted_twice(tmp_path, "span_metrics, span_metrics/2") == [
        "service.pipelines.traces.processors[1]: `span_metrics` and `span_metrics/2` both measure `error.rate` and "
        "`service.call`, which trackers would count twice"
    ]


def test_of_three_that_measure_the_same_all_are_named(tmp_path: Path) -> None:
    assert counted_twice(tmp_path, "span_metrics, span_metrics/2, span_metrics/3", "error_spike") == [
        "service.pipelines.traces.processors[2]: `span_metrics`, `span_metrics/2` and `span_metrics/3` all measure "
        "`error.rate`, which trackers would count 3 times"
    ]


def test_each_pair_that_measures_the_same_is_told(tmp_path: Path) -> None:
    pairs = counted_twice(
        tmp_path, "span_metrics, db_queries, span_metrics/2, db_queries/slow", "error_spike, degradation"
    )

    assert [text.partition(": ")[0] for text in pairs] == [
        "service.pipelines.traces.processors[2]",
        "service.pipelines.traces.processors[3]",
    ]
