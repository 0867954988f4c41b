"""Java, Kotlin and Scala stack traces: causes, suppressed exceptions and their elided frames.

Format: `Throwable.printStackTrace` of the JDK. "... 4 more" means the last four frames of the enclosing trace; they are
put back, so that every exception shows its whole stack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from otelbridge.exporters.sentry.stacktraces.frames import Frame, ParsedException, frame

_FRAME = re.compile(
    r"\s*at (?:[^/()]+/{1,2})*(?P<module>[^()/]+)\.(?P<method>[^().]+)"
    r"\((?:(?P<file>[^():]+\.[A-Za-z]+)(?::(?P<line>\d+))?|Native Method|Unknown Source)\)(?: ~?\[.*\])?"
)
_MORE = re.compile(r"\s*\.\.\. (?P<count>\d{1,6}) (?:more|common frames omitted)")
_RELATED = re.compile(r"(?P<indent>\s*)(?P<relation>Caused by|Suppressed): (?P<header>.*)")
_HEADER = re.compile(r"(?:Exception in thread \"[^\"]*\" )?(?P<type>[\w.$]+)(?:: (?P<value>.*))?")
_SOURCES = {"Caused by": "cause", "Suppressed": "suppressed"}
_LIBRARIES = ("java.", "javax.", "jdk.", "sun.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "jakarta.", "org.spring")


@dataclass(slots=True)
class _Open:
    """An exception whose lines are being read; frames are newest first until the end."""

    exception: ParsedException
    header: list[str]
    enclosing: list[Frame] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def close(self) -> None:
        first = _HEADER.fullmatch(self.header[0])
        lines = [(first["value"] or "") if first else self.header[0], *self.header[1:]]
        self.exception.type = first["type"] if first else "Exception"
        self.exception.value = "\n".join(lines).strip()
        self.exception.frames = self.frames[::-1]


def parse(text: str) -> ParsedException | None:
    """The outermost exception of a stack trace; None when no line of the text is a frame."""
    lines = text.splitlines()
    if not lines or not any(_FRAME.fullmatch(line) for line in lines):
        return None
    top = _Open(ParsedException(""), [lines[0]])
    everything, by_indent = [top], {0: top}
    current = top
    for line in lines[1:]:
        related = _RELATED.fullmatch(line)
        if related:
            current = _related(related, by_indent, current)
            everything.append(current)
        else:
            _read(line, current)
    for one in everything:
        one.close()
    return top.exception


def _related(found: re.Match[str], by_indent: dict[int, _Open], current: _Open) -> _Open:
    indent = len(found["indent"].expandtabs(1))
    outer = indent if found["relation"] == "Caused by" else indent - 1
    above = by_indent.get(outer, current)
    opened = _Open(ParsedException(""), [found["header"]], enclosing=above.frames)
    above.exception.causes.append((_SOURCES[found["relation"]], opened.exception))
    by_indent[indent] = opened
    return opened


def _read(line: str, current: _Open) -> None:
    if found := _FRAME.fullmatch(line):
        module = found["module"]
        in_app = not module.startswith(_LIBRARIES)
        current.frames.append(frame(found["method"], found["file"], found["line"], in_app=in_app, module=module))
    elif more := _MORE.fullmatch(line):
        count = int(more["count"])
        current.frames += current.enclosing[-count:] if count else []
    elif not current.frames:
        current.header.append(line)
