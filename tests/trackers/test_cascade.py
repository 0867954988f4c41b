from __future__ import annotations

import pytest

from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode
from tests.support.incidents import cascade
from tests.trackers.conftest import START, Noting, pipeline_of, raise_error


@pytest.mark.parametrize("requests_a_second", [20, 400])
def test_a_database_that_fails_is_named_as_the_root_of_what_follows(requests_a_second: int) -> None:
    task = TracesTask(pipeline_of(["cascade"]), raise_error)
    bodies = list(cascade(27, range(20, 23)))  # who calls whom is known once the first traces are decided
    for number in range(0, len(bodies), 20):
        group = bodies[number : number + 20]
        stamps = [Stamp(number + place + 1, START + number / requests_a_second) for place in range(len(group))]
        for _boundary in task.feed(decode(group), stamps):
            pass
    task.advance(START + 1000)

    noting = task.pipeline.exporters["noting"]
    assert isinstance(noting, Noting)
    raised, *later = noting.findings
    assert (raised.kind, raised.state, raised.level) == ("cascade", "raised", "error")
    assert raised.title == "Failures spread from postgresql@db-1"
    assert raised.key == ("production", "postgresql@db-1")
    assert raised.contexts["cascade"]["services"] == ["postgresql@db-1", "stock", "front"]
    assert raised.contexts["cascade"]["calls"] == ["stock -> postgresql@db-1", "front -> stock"]
    assert [finding.state for finding in later] == ["resolved"]
    assert raised.trace_id in noting.traces
