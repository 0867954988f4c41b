"""Python tracebacks: chained exceptions and exception groups included.

Format: `traceback.format_exception` of CPython 3.8 to 3.14.
"""

from __future__ import annotations

import re

from otelbridge.exporters.sentry.stacktraces.frames import Frame, ParsedException, frame

_LINKS = {
    "The above exception was the direct cause of the following exception:": "__cause__",
    "During handling of the above exception, another exception occurred:": "__context__",
}
_HEADER = re.compile(r"(?:Exception Group )?Traceback \(most recent call last\):")
_FRAME = re.compile(r'\s*File "(?P<path>[^"]*)", line (?P<line>\d+)(?:, in (?P<function>.*))?')
_EXCEPTION = re.compile(r"(?P<type>[A-Za-z_][\w.<>]*)(?:: (?P<value>.*))?")
_MARKERS = re.compile(r"\s*[~^]+\s*|\s*\[Previous line repeated .*\]")
_FIRST_MEMBER = re.compile(r"\+-\+-+ 1 -+")
_NEXT_MEMBER = re.compile(r"\+-+ (?:\d+|\.\.\.) -+")
_LAST_MEMBER = re.compile(r"\+-+")
_GROUP_TOP = re.compile(r"\s*\+ Exception Group Traceback")
_MAX_NESTING = 20
_LIBRARIES = ("/site-packages/", "/dist-packages/", "/lib/python", "\\site-packages\\", "\\lib\\", "<frozen ")


def parse(text: str) -> ParsedException | None:
    """The last exception of a traceback; None when the text is none."""
    lines = text.splitlines()
    if not any(_HEADER.search(line) for line in lines):
        return None
    return _exception(_without_indent(lines), 0)


def _without_indent(lines: list[str]) -> list[str]:
    """A group at the top stands two columns to the right; what it is chained to does not."""
    if not any(_GROUP_TOP.match(line) for line in lines):
        return lines
    return [line[2:] if line.startswith("  ") and line[2:3] in ("+", "|", " ") else line for line in lines]


def _exception(lines: list[str], nesting: int) -> ParsedException | None:
    own, members = _members(lines)
    last: ParsedException | None = None
    link = ""
    for name, block in _chain(own):
        exception = _one(block)
        if exception is None:
            continue
        if last is not None:
            exception.causes.append((link, last))
        last, link = exception, name
    if last is not None and nesting < _MAX_NESTING:
        for number, member in enumerate(members):
            parsed = _exception(member, nesting + 1)
            if parsed is not None:
                last.is_group = True
                last.causes.append((f"exceptions[{number}]", parsed))
    return last


def _members(lines: list[str]) -> tuple[list[str], list[list[str]]]:
    """The lines of an exception itself, and those of each member of the group it may be; margins removed."""
    own: list[str] = []
    members: list[list[str]] = []
    for line in lines:
        if not members:
            if _FIRST_MEMBER.fullmatch(line):
                members.append([])
            else:
                own.append(line[2:] if line[:2] in ("| ", "+ ") else "" if line == "|" else line)
        elif _NEXT_MEMBER.fullmatch(line[2:]):
            members.append([])
        elif not _LAST_MEMBER.fullmatch(line[2:]):
            members[-1].append(line[2:])
    return own, members


def _chain(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Blocks of one exception each, with how the next one follows from it."""
    blocks: list[tuple[str, list[str]]] = []
    block: list[str] = []
    for line in lines:
        link = _LINKS.get(line.strip())
        if link:
            blocks.append((link, block))
            block = []
        else:
            block.append(line)
    return [*blocks, ("", block)]


def _one(lines: list[str]) -> ParsedException | None:
    frames: list[Frame] = []
    message: list[str] = []
    for line in lines:
        if message:
            message.append(line)
        elif _HEADER.fullmatch(line.strip()) or not line.strip() or _MARKERS.fullmatch(line):
            continue
        elif found := _FRAME.fullmatch(line):
            path = found["path"]
            frames.append(frame(found["function"], path, found["line"], in_app=_is_app(path)))
        elif line.startswith(" ") and frames:
            frames[-1].setdefault("context_line", line.strip()[:512])
        else:
            message.append(line)
    if not message:
        return None
    first = _EXCEPTION.fullmatch(message[0])
    if first is None:
        return ParsedException("Error", "\n".join(message).strip(), frames)
    value = "\n".join([first["value"] or "", *message[1:]]).strip()
    return ParsedException(first["type"], value, frames)


def _is_app(path: str) -> bool:
    return not any(library in path.lower() for library in _LIBRARIES)
