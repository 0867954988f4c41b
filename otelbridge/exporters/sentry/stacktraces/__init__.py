"""Text of `exception.stacktrace` -> exceptions and frames, for five languages.

OpenTelemetry says only that the text is "in the natural representation of the language runtime". The SDK's language
says which that is; where it does not help, because a browser or a proxy was in between, the text itself does.
"""

from __future__ import annotations

from otelbridge.exporters.sentry.stacktraces import dotnet, go, java, javascript, python
from otelbridge.exporters.sentry.stacktraces.frames import Frame, ParsedException, bounded, split_type

__all__ = ["Frame", "ParsedException", "bounded", "parse", "split_type"]

MAX_LINE_CHARS = 500  # keeps the patterns' worst case, which grows with the square of it, below a millisecond
_FIRST_LINES, _LAST_LINES = 500, 1_000  # of more lines, the middle is a recursion; Python says the error last

_PARSERS = {
    "python": python.parse,
    "java": java.parse,
    "node": javascript.parse,
    "csharp": dotnet.parse,
    "go": go.parse,
}
_SAME = {"javascript": "node"}


def parse(text: str, platform: str) -> ParsedException | None:
    """The exception that a stack trace is of, with those that caused it; None when nothing in it is a frame.

    `platform` is Sentry's name of the language; its parser is tried first.
    """
    lines = text.splitlines()
    if len(lines) > _FIRST_LINES + _LAST_LINES:
        lines = lines[:_FIRST_LINES] + lines[-_LAST_LINES:]
    text = "\n".join([line[:MAX_LINE_CHARS] for line in lines])
    own = _SAME.get(platform, platform)
    for language in sorted(_PARSERS, key=lambda name: name != own):
        parsed = _PARSERS[language](text)
        if parsed is not None:
            parsed.platform = language
            return parsed
    return None
