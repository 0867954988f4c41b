"""Stack traces of .NET: inner exceptions and AggregateException.

Format: `Exception.ToString`, .NET Framework to .NET 10; learn.microsoft.com/dotnet/api/system.exception.tostring.
"""

from __future__ import annotations

import re

from otelbridge.exporters.sentry.stacktraces.frames import Frame, ParsedException, frame

# What ends in ":12)" is a frame of Java or JavaScript.
_FRAME = re.compile(
    r"\s+at (?!.*:\d+\)$)(?!.*\(Native Method\)$)(?P<call>[^(]*[^\s(]\(.*?\))"
    r"(?: in (?P<path>.+?):line (?P<line>\d+))?(?P<end><---)?"
)
_HEADER = re.compile(r"(?P<type>[A-Za-z_][\w.`+\[\],]*)(?: \([^)]*\))?(?:: (?P<value>.*))?")
_ARROW = re.compile(r"\s*---> ")
_NUMBERED = re.compile(r"\(Inner Exception #\d+\) ")
_END_OF_INNER = "--- End of inner exception stack trace ---"
_PREVIOUS = "--- End of stack trace from previous location"
_LIBRARIES = ("System.", "Microsoft.", "lambda_method")


def parse(text: str) -> ParsedException | None:
    """The outermost exception; None when no line of the text is a frame."""
    lines = text.splitlines()
    if not any(_FRAME.fullmatch(line) for line in lines):
        return None
    reader = _Reader()
    for line in lines:
        reader.read(line)
    return reader.top


class _Reader:
    """Reads line by line. Exceptions that are not finished lie on a stack: inner ones are printed first."""

    def __init__(self) -> None:
        self.top: ParsedException | None = None
        self._open: list[ParsedException] = []

    def read(self, line: str) -> None:
        if self.top is None:
            for header in line.split(" ---> "):  # one line in .NET Framework
                self._start(header)
        elif _ARROW.match(line):
            self._inner(_ARROW.sub("", line, count=1))
        elif found := _FRAME.fullmatch(line):
            self._open[-1].frames.insert(0, _frame(found))
            if found["end"]:
                self._finish()
        elif _END_OF_INNER in line:
            self._finish()
        elif _PREVIOUS not in line and not self._open[-1].frames and line.strip() not in ("", "<---"):
            self._open[-1].value = f"{self._open[-1].value}\n{line}".strip()

    def _inner(self, header: str) -> None:
        numbered = _NUMBERED.match(header)
        if numbered:
            del self._open[1:]  # members of an AggregateException stand side by side
            self._open[0].is_group = True
            header = header[numbered.end() :]
        for part in header.split(" ---> "):
            self._start(part)

    def _start(self, header: str) -> None:
        found = _HEADER.fullmatch(header.strip())
        exception = ParsedException(found["type"], found["value"] or "") if found else ParsedException("", header)
        if self._open:
            above = self._open[-1]
            above.causes.append(
                (f"InnerExceptions[{len(above.causes)}]" if above.is_group else "InnerException", exception)
            )
        else:
            self.top = exception
        self._open.append(exception)

    def _finish(self) -> None:
        if len(self._open) > 1:
            self._open.pop()


def _frame(found: re.Match[str]) -> Frame:
    qualified = found["call"].partition("(")[0]
    module, dot, method = qualified.rpartition(".")
    if module.endswith("."):  # Shop.Order..ctor
        module, method = module[:-1], f".{method}"
    in_app = not qualified.startswith(_LIBRARIES)
    return frame(method if dot else qualified, found["path"], found["line"], in_app=in_app, module=module or None)
