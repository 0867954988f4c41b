"""JavaScript stacks: V8 (Node, Chrome, Deno, Bun) and the `function@file:line:column` of Firefox and Safari.

Format: v8.dev/docs/stack-trace-api; `[cause]` as Node's util.inspect prints it.
"""

from __future__ import annotations

import re

from otelbridge.exporters.sentry.stacktraces.frames import Frame, ParsedException, frame

_LOCATION = r"(?P<path>[^()]*?\S):(?P<line>\d+):(?P<column>\d+)"
_V8 = (
    re.compile(rf"\s*at (?:async )?(?P<function>.+?) \({_LOCATION}\)"),
    re.compile(rf"\s*at (?:async )?(?P<function>){_LOCATION}"),
    re.compile(r"\s*at (?:async )?(?P<function>.+?) \((?P<path><anonymous>|native|index \d+)\)(?P<line>)(?P<column>)"),
    re.compile(rf"\s*at (?P<function>.+?) \(eval at [^,]*, {_LOCATION}\)"),
)
_FIREFOX = re.compile(r"(?P<function>[^@\s]*)@(?P<path>\S+?):(?P<line>\d+)(?::(?P<column>\d+))?")
_HEADER = re.compile(r"(?:Uncaught )?(?P<type>[A-Za-z_$][\w$.]*)(?: \[[^\]]*\])?(?:: (?P<value>.*))?")
_CAUSE = re.compile(r"\s*(?:\[cause\]|[Cc]aused by): (?P<header>.*)")
_LIBRARIES = ("node_modules", "node:", "internal/", "<anonymous>", "native", "bun:", "deno:", "ext:")


def parse(text: str) -> ParsedException | None:
    """The exception of a stack; None when no line of the text is a frame."""
    lines = [line.removesuffix(" {") for line in text.splitlines()]  # properties of the error follow
    if any(pattern.fullmatch(line) for line in lines for pattern in _V8):
        return _v8(lines)
    frames = [_frame(found) for found in map(_FIREFOX.fullmatch, lines) if found]
    return ParsedException("Error", "", frames[::-1]) if frames else None


def _v8(lines: list[str]) -> ParsedException:
    top = current = ParsedException("")
    header: list[str] = []
    for line in lines:
        found = next(filter(None, (pattern.fullmatch(line) for pattern in _V8)), None)
        if found:
            current.frames.insert(0, _frame(found))
        elif cause := _CAUSE.fullmatch(line):
            _name(current, header)
            current, above = ParsedException(""), current
            above.causes.append(("cause", current))
            header = [cause["header"]]
        elif not current.frames:
            header.append(line)
    _name(current, header)
    return top


def _name(exception: ParsedException, header: list[str]) -> None:
    first = _HEADER.fullmatch(header[0]) if header else None
    if first is None:
        exception.type, exception.value = "Error", "\n".join(header).strip()
    else:
        exception.type, exception.value = first["type"], "\n".join([first["value"] or "", *header[1:]]).strip()


def _frame(found: re.Match[str]) -> Frame:
    path = found["path"].removeprefix("async ").removeprefix("file://")
    function = found["function"] or "?"
    in_app = not any(library in path for library in _LIBRARIES)
    return frame(function, path, found["line"] or None, in_app=in_app, column=found["column"] or None)
