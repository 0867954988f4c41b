"""The processors' state in a checkpoint: of each processor either all of it, or those parts of it that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otelbridge.engine.checkpoint import PROCESSOR
from otelbridge.engine.pipeline import Step
from otelbridge.engine.progress import Resumption
from otelbridge.engine.tracking import Parts


def save(steps: Sequence[Step]) -> tuple[Mapping[str, bytes], Parts]:
    """`Progress.states` and, of processors that save their state in parts, `Progress.parts`."""
    states: dict[str, bytes] = {}
    parts: dict[str, Mapping[str, bytes | None]] = {}
    for step in steps:
        changed = step.processor.changes()
        # Nothing in the place of a whole that an earlier version saved: parts are newer.
        states[step.id] = step.processor.snapshot() if changed is None else b""
        if changed:
            parts[PROCESSOR + step.id] = changed
    return states, parts


def restore(steps: Sequence[Step], saved: Resumption) -> None:
    """Hand each processor what is saved of it."""
    for step in steps:
        state, parts = saved.states.get(step.id), saved.parts.get(PROCESSOR + step.id)
        if state:
            step.processor.restore(state)
        elif parts:
            step.processor.restore_parts(parts)
