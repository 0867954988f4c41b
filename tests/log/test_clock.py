from __future__ import annotations

from otelbridge.log.clock import LogClock


def test_time_does_not_pass_while_an_append_is_under_way() -> None:
    clock = LogClock(time=10.0, last_sequence=3)
    stamp = clock.begin_append(11.0)
    assert clock.advance(15.0, position=3) is None
    clock.end_append(last_sequence=4)
    assert stamp == 11.0
    assert clock.advance(15.0, position=3) is None
    assert clock.advance(15.0, position=4) == 15.0


def test_time_passes_again_after_an_append_that_failed() -> None:
    clock = LogClock(time=10.0, last_sequence=3)
    clock.begin_append(11.0)
    clock.end_append(last_sequence=3)
    assert clock.advance(12.0, position=3) == 12.0
    assert clock.begin_append(9.0) == 12.0
