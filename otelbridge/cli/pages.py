"""The pages of `otelbridge components`, for a terminal of a hundred columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from otelbridge.cli.described import (
    OPERATORS,
    Described,
    by_name,
    column_type,
    condition_columns,
    functions,
)
from otelbridge.cli.described import measurements as described_measurements
from otelbridge.config.documentation import Setting
from otelbridge.config.model import SECTIONS, Catalogue
from otelbridge.semconv.limits import KNOWN_LIMITS

WIDTH = 100


def overview(catalogue: Catalogue) -> str:
    """All components by kind."""
    lines = []
    for section, kind in SECTIONS.items():
        specs = [catalogue.specs[kind, name] for name in catalogue.names(kind)]
        lines += [f"{section}:", *_table([(spec.name, spec.stability, spec.summary) for spec in specs]), ""]
    lines += [
        "otelbridge components NAME       settings, columns and a complete example of one component",
        "otelbridge components service    the same of the `service` section",
        "otelbridge components --columns  the columns and functions that conditions may use",
        "otelbridge components --measurements  what trackers can watch",
    ]
    return "\n".join(lines)


def component(catalogue: Catalogue, name: str) -> str | None:
    """Everything about the components of this name; None when there is none."""
    found = by_name(catalogue, name)
    return "\n\n".join("\n".join(_page(described)) for described in found) if found else None


def columns(catalogue: Catalogue) -> str:
    """Columns and functions of conditions."""
    rows = []
    for column, added_by in condition_columns(catalogue):
        origin = f" (added by {added_by})" if added_by else ""
        rows.append((column.name, column_type(column), column.meaning + origin))
    return "\n".join(
        (
            *_wrapped("Conditions are SQL. Operators: " + OPERATORS + "."),
            *_wrapped("A name with other characters than letters, digits, `_` and `.` is written in double quotes."),
            *_wrapped("status and kind may be compared with words: status = 'error', kind IN ('server', 'client')."),
            "",
            "columns:",
            *_table(rows),
            "",
            "functions:",
            *_table(list(functions())),
        )
    )


def measurements(catalogue: Catalogue) -> str:
    """What is measured, by what its series are told apart, and who measures it."""
    lines = []
    for kind, makers in described_measurements(catalogue):
        lines += [f"{kind.name} ({kind.unit}), by {', '.join(makers) or 'nobody'}"]
        lines += [*_wrapped(kind.meaning, "  "), *_wrapped(f"keys: {', '.join(kind.keys)}", "  "), ""]
    lines += _wrapped("`span_metrics` makes others of attributes of your own: `otelbridge components span_metrics`.")
    lines += ["", "metrics with a limit that capacity knows, where they are received:"]
    for known in KNOWN_LIMITS:
        by = f", by {', '.join(known.by)}" if known.by else ""
        condition = f", where {known.condition()}" if known.where else ""
        lines += _wrapped(f"{known.metric}: full at {known.full_at()}{by}{condition}", "  ", "    ")
    return "\n".join(lines)


def _page(described: Described) -> Iterator[str]:
    yield f"{described.name} ({described.heading})" if described.heading else described.name
    for text in (described.summary, *described.notes):
        yield from _wrapped(text, "  ")
    yield ""
    yield "settings:"
    if not described.settings:
        yield "  none"
    for setting in described.settings:
        yield from _setting(setting)
    if described.reads:
        yield ""
        yield "columns it reads:"
        yield from _wrapped(", ".join(described.reads), "  ")
    if described.adds:
        yield ""
        yield "columns it adds:"
        yield from _table([(column.name, column_type(column), column.meaning) for column in described.adds])
    for title, names in (("measurements it makes", described.measures), ("watches", described.watches)):
        if names:
            yield ""
            yield f"{title}:"
            yield from _wrapped(", ".join(names), "  ")
    yield ""
    yield "example, with every setting:"
    yield from (f"  {line}".rstrip() for line in described.example.splitlines())


def _setting(setting: Setting) -> Iterator[str]:
    default = {"": "", "required": "; required"}.get(setting.default, f"; default {setting.default}")
    yield from _wrapped(f"{setting.path}: {setting.type}{default}", "  ", "      ")
    yield from _wrapped(setting.documentation, "      ")


def _table(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Three columns, the last one wrapped."""
    first = max((len(row[0]) for row in rows), default=0)
    second = max((len(row[1]) for row in rows), default=0)
    for name, middle, text in rows:
        head = f"  {name:{first}}  {middle:{second}}  "
        yield from _wrapped(text, head, " " * len(head))


def _wrapped(text: str, first: str = "", following: str | None = None) -> Iterable[str]:
    indent = first if following is None else following
    # A table of long names leaves little room; a meaning is readable from 40 characters on.
    width = max(WIDTH, len(first) + 40)
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False) or [first]
