"""Writes what is generated in a checkout: `config.example.yaml` and `docs/components`. A test fails when it is stale.

python -m otelbridge.cli.documentation
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from otelbridge.catalogue import BUILT_IN, base_columns
from otelbridge.cli.described import (
    DEFAULT_PIPELINES,
    OPERATORS,
    Described,
    by_name,
    column_type,
    condition_columns,
    functions,
    measurements,
    names,
)
from otelbridge.config.examples import whole_example
from otelbridge.config.model import SECTIONS, Catalogue
from otelbridge.semconv.limits import KNOWN_LIMITS

CHECKOUT = Path(__file__).resolve().parents[2]
NOTICE = "<!-- Written by `make docs` from the code; do not edit. -->"


def generated() -> Mapping[str, str]:
    """Every generated file: its path in the checkout, its text."""
    catalogue = Catalogue.of(BUILT_IN, base_columns())
    pages = {f"docs/components/{name}.md": _page(by_name(catalogue, name)) for name in names(catalogue)}
    return {
        "config.example.yaml": whole_example(catalogue, DEFAULT_PIPELINES),
        "docs/components/README.md": _text(_index(catalogue)),
        "docs/components/conditions.md": _text(_conditions(catalogue)),
        "docs/components/measurements.md": _text(_measurements(catalogue)),
        **pages,
    }


def main() -> int:
    """Write them all, and remove pages of components that are no more."""
    files = generated()
    for path, text in files.items():
        (CHECKOUT / path).parent.mkdir(parents=True, exist_ok=True)
        (CHECKOUT / path).write_text(text, encoding="utf-8")
    for page in (CHECKOUT / "docs/components").glob("*.md"):
        if f"docs/components/{page.name}" not in files:
            page.unlink()
    return 0


def _index(catalogue: Catalogue) -> Iterator[str]:
    yield from ("# Components", "", NOTICE, "", "The same is printed by `otelbridge components [NAME]`.")
    for section, kind in SECTIONS.items():
        yield from ("", f"## {section.capitalize()}", "", "| component | stability | what it does |", "|---|---|---|")
        for name in catalogue.names(kind):
            spec = catalogue.specs[kind, name]
            yield f"| [{name}]({name}.md) | {spec.stability} | {spec.summary} |"
    yield from ("", "## Beside them", "")
    yield "- [service](service.md): pipelines, storage, own telemetry"
    yield "- [conditions](conditions.md): columns and functions for rules"
    yield "- [measurements](measurements.md): what trackers can watch"


def _conditions(catalogue: Catalogue) -> Iterator[str]:
    yield from ("# Conditions", "", NOTICE, "")
    yield "A condition is an SQL expression over the columns of a span, for example"
    yield from ("`db.system.name IS NOT NULL AND duration_ms > 500`. One that comes out as NULL does not hold.", "")
    yield f"Operators: {OPERATORS}."
    yield ""
    yield "A name with other characters than letters, digits, `_` and `.` is written in double quotes. `status` and"
    yield "`kind` may be compared with words: `status = 'error'`, `kind IN ('server', 'client')`."
    yield from ("", "## Functions", "", "| function | gives | meaning |", "|---|---|---|")
    yield from (f"| `{name}` | {gives} | {meaning} |" for name, gives, meaning in functions())
    yield from ("", "## Columns", "", "| column | type | meaning | added by |", "|---|---|---|---|")
    for column, added_by in condition_columns(catalogue):
        origin = f"[{added_by}]({added_by}.md)" if added_by else ""
        yield f"| `{column.name}` | {column_type(column)} | {_cell(column.meaning)} | {origin} |"


def _measurements(catalogue: Catalogue) -> Iterator[str]:
    yield from ("# Measurements", "", NOTICE, "")
    yield "Numbers about series, made from every span before sampling; trackers watch them. What agrees in the keys is"
    yield "one series. `span_metrics` makes others of [attributes of your own](span_metrics.md)."
    yield from ("", "| measurement | unit | keys | meaning | made by |", "|---|---|---|---|---|")
    for kind, makers in measurements(catalogue):
        keys = ", ".join(f"`{key}`" for key in kind.keys)
        links = ", ".join(f"[{name}]({name}.md)" for name in makers)
        yield f"| `{kind.name}` | {kind.unit} | {keys} | {_cell(kind.meaning)} | {links} |"
    yield from ("", "## Metrics with a limit", "")
    yield "A pipeline of `metrics` makes a measurement of each metric that a tracker watches, under its name and with"
    yield "every attribute as a column. Of these [capacity](capacity.md) knows the limits; series are told apart by"
    yield "environment, service and instance, and by the attributes named here."
    yield from ("", "| metric | full at | points that count | by |", "|---|---|---|---|")
    for known in KNOWN_LIMITS:
        cells = (f"`{text}`" if text else "" for text in (known.full_at(), known.condition(), ", ".join(known.by)))
        yield f"| `{known.metric}` | {' | '.join(cells)} |"


def _page(found: list[Described]) -> str:
    lines = [f"# {found[0].name}", "", NOTICE]
    for described in found:
        lines += _sections(described)
    return _text(lines)


def _sections(described: Described) -> Iterator[str]:
    if described.heading:
        yield from ("", f"*{described.heading}*")
    for text in (described.summary.removesuffix(".") + ".", *described.notes):
        yield from ("", text)
    if described.guide:
        page = f"[{described.name}](../trackers/{described.guide})"
        yield from ("", f"When it speaks, when it stays silent, what it costs and how that was measured: {page}.")
    yield from ("", "## Settings", "")
    if described.settings:
        yield from ("| setting | type | default | meaning |", "|---|---|---|---|")
        for setting in described.settings:
            default = f"`{setting.default}`" if setting.default not in {"", "required", "none"} else setting.default
            yield f"| `{setting.path}` | {_cell(setting.type)} | {_cell(default)} | {_cell(setting.documentation)} |"
    else:
        yield "None."
    if described.reads:
        yield from ("", "## Columns it reads", "", ", ".join(f"`{name}`" for name in described.reads))
    if described.adds:
        yield from ("", "## Columns it adds", "", "| column | type | meaning |", "|---|---|---|")
        yield from (f"| `{item.name}` | {column_type(item)} | {_cell(item.meaning)} |" for item in described.adds)
    for title, listed in (("makes", described.measures), ("watches", described.watches)):
        if listed:
            links = ", ".join(f"[`{name}`](measurements.md)" for name in listed)
            yield from ("", f"## Measurements it {title}", "", links)
    yield from ("", "## Example, with every setting", "", "```yaml", described.example.rstrip("\n"), "```")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(lines: Iterator[str] | list[str]) -> str:
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
