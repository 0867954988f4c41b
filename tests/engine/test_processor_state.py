from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from otelbridge.core.batch import Batch
from otelbridge.core.component import Processor
from otelbridge.engine.pipeline import Step
from otelbridge.engine.processor_state import restore, save
from otelbridge.engine.progress import Resumption


@dataclass
class Whole(Processor):
    """Saves all that it knows."""

    state: bytes = b""

    def process(self, batch: Batch) -> Batch:
        return batch

    def snapshot(self) -> bytes:
        return self.state

    def restore(self, state: bytes) -> None:
        self.state = state


@dataclass
class InParts(Whole):
    """Saves what changed."""

    parts: dict[str, bytes | None] = field(default_factory=dict)

    def changes(self) -> Mapping[str, bytes | None]:
        return self.parts

    def restore_parts(self, parts: Mapping[str, bytes]) -> None:
        self.parts = dict(parts)


def test_each_processor_gets_back_what_it_saved() -> None:
    states, parts = save([Step("whole", Whole(b"all")), Step("some", InParts(b"all", {"one": b"1"}))])
    saved = Resumption(states=states, parts={owner: {"one": b"1"} for owner in parts})
    whole, some = Whole(), InParts()
    restore([Step("whole", whole), Step("some", some)], saved)

    assert whole.state == b"all"
    assert (some.state, some.parts) == (b"", {"one": b"1"})


def test_a_state_without_changes_writes_nothing() -> None:
    assert save([Step("some", InParts(b"all"))]) == ({"some": b""}, {})


def test_a_whole_that_an_earlier_version_saved_is_taken_over() -> None:
    some = InParts()
    restore([Step("some", some)], Resumption(states={"some": b"all"}))

    assert some.state == b"all"


def test_parts_are_never_those_of_a_tracker_with_the_same_id() -> None:
    _, parts = save([Step("capacity", InParts(parts={"one": b"1"}))])

    assert all(" " in owner for owner in parts)
