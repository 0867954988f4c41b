"""Go stacks: panics, `debug.Stack()` as RecordError adds it, and the `%+v` of pkg/errors.

Format: runtime/traceback.go. Only the first goroutine counts. The recorder's own frames at the top are not the error's.
"""

from __future__ import annotations

import itertools
import re

from otelbridge.exporters.sentry.stacktraces.frames import Frame, ParsedException, frame

_PLACE = re.compile(r"\s+(?P<path>\S.*\.(?:go|s)):(?P<line>\d+)(?: \+0x[0-9a-f]+)?")
_GOROUTINE = re.compile(r"goroutine \d+ .*\[.*\]:")
_PANIC = re.compile(r"panic: (?P<value>.*)")
_CREATED = re.compile(r"created by (?P<function>.+?)(?: in goroutine \d+)?")
_RECORDERS = ("go.opentelemetry.io/otel/sdk/trace", "runtime/debug")
_DEPENDENCIES = ("/pkg/mod/", "/vendor/", "/go/src/")


def parse(text: str) -> ParsedException | None:
    """The error of a stack; None when the text has no frame."""
    lines = text.splitlines()
    frames: list[Frame] = []
    goroutines = 0
    for above, line in itertools.pairwise(lines):
        goroutines += bool(_GOROUTINE.fullmatch(above))
        place = _PLACE.fullmatch(line)
        if goroutines <= 1 and place and above.strip() and not _PLACE.fullmatch(above):
            frames.append(_frame(above.strip(), place))
    if not frames:
        return None
    while len(frames) > 1 and frames[0].get("module", "").startswith(_RECORDERS):
        del frames[0]
    panic = next(filter(None, map(_PANIC.fullmatch, lines)), None)
    return ParsedException("panic" if panic else "error", panic["value"] if panic else "", frames[::-1])


def _frame(call: str, place: re.Match[str]) -> Frame:
    created = _CREATED.fullmatch(call)
    called = created["function"] if created else call[: call.rindex("(")] if call.endswith(")") else call
    folder, slash, name = called.rpartition("/")
    package, _, function = name.partition(".")
    path = place["path"]
    in_app = not any(part in path for part in _DEPENDENCIES)
    return frame(function or name, path, place["line"], in_app=in_app, module=f"{folder}{slash}{package}")
