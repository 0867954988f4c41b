"""Finds and reads the text of a configuration: a file, or one of the ready-made ones by its name."""

from __future__ import annotations

import re
from pathlib import Path

from otelbridge.config.document import MAX_BYTES, Place, Source, Unreadable
from otelbridge.config.problems import did_you_mean

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_PACKAGE = Path(__file__).resolve().parents[1]
# In the wheel the folder lies inside the package, in a checkout beside it.
READY_MADE = _PACKAGE / "pipelines" if (_PACKAGE / "pipelines").is_dir() else _PACKAGE.parent / "pipelines"


def ready_made() -> list[str]:
    """The names that `--config` knows without a file."""
    return sorted(path.stem for path in READY_MADE.glob("*.yaml"))


def read_text(file_or_name: str) -> tuple[str, Source]:
    """The text of a file, or of a ready-made configuration. Raises Unreadable."""
    path = _find(file_or_name)
    source = Source(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}", _nowhere(source)) from None
    if len(content) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES // 1024 // 1024} MiB", _nowhere(source))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start)
        raise Unreadable(f"not UTF-8, in line {line + 1}", _nowhere(source)) from None
    return text, Source(str(path), tuple(_LINE_BREAK.split(text)))


def _find(file_or_name: str) -> Path:
    path = Path(file_or_name)
    if "\x00" in file_or_name:
        raise Unreadable("no file has U+0000 in its name", _nowhere(Source("--config")))
    if path.exists() or "/" in file_or_name or path.suffix in {".yaml", ".yml"}:
        return path
    known = ready_made()
    if file_or_name in known:
        return READY_MADE / f"{file_or_name}.yaml"
    hint = did_you_mean(file_or_name, known)
    message = f"no such file, and no ready-made configuration of this name (there are {', '.join(known)}){hint}"
    raise Unreadable(message, _nowhere(Source(f"--config {file_or_name}")))


def _nowhere(source: Source) -> Place:
    return Place(source, 0, 0, 0, 0)
