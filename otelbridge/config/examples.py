"""Examples that are complete: every setting of a component with its documentation, type and default, ready to edit.

What has no default that could be shown is there as a comment, or as a placeholder where it is required.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from otelbridge.config.documentation import default_of, documentation, groups, type_name
from otelbridge.config.model import SECTION_OF, SECTIONS, Catalogue, ServiceConfig
from otelbridge.config.writing import one_line, plain_data
from otelbridge.core.component import ComponentSpec

WIDTH = 100  # of comments, so that an example fits a page
LONGEST_VALUE = 70  # characters of a value on one line

HEADER = """\
Every component and every setting of otelbridge, with its default. Written by `make docs`; what you need of it is a few
lines: without a configuration, `pipelines/default.yaml` runs. An empty value means the default, `${env:NAME}` and
`${env:NAME:-default}` are environment variables, `$$` is a dollar sign."""


def component_example(spec: ComponentSpec[Any]) -> str:
    """One component in its section."""
    return _text([f"{SECTION_OF[spec.kind]}:", *_indented(_component(spec))])


def service_example(pipelines: Iterable[str]) -> str:
    """The service section around the lines of its pipelines."""
    lines = ["service:", *_indented(["pipelines:", *_indented(pipelines)])]
    return _text([*lines, *_indented(_settings(ServiceConfig, skip="pipelines"))])


def whole_example(catalogue: Catalogue, pipelines: Iterable[str]) -> str:
    """All components, and the service section: a configuration that can be loaded."""
    lines = [f"# {line}" for line in HEADER.splitlines()]
    for section, kind in SECTIONS.items():
        lines += ["", f"{section}:"]
        for index, name in enumerate(catalogue.names(kind)):
            lines += [""] if index else []
            lines += _indented(_component(catalogue.specs[kind, name]))
    return _text(lines) + "\n" + service_example(pipelines)


def _component(spec: ComponentSpec[Any]) -> list[str]:
    settings = _indented(_settings(spec.config))
    return [*_comment(spec.summary), f"{spec.name}:", *settings]


def _settings(model: type[BaseModel], skip: str = "", given: BaseModel | None = None) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name != skip:
            default = field.examples[0] if field.examples else default_of(name, field, given)
            kind = "" if isinstance(default, BaseModel) else f" ({type_name(field.annotation, field.metadata)})"
            yield from _comment(documentation(field) + kind)
            yield from _setting(field.alias or name, field, default)


def _setting(key: str, field: FieldInfo, default: Any) -> list[str]:
    """The lines of one setting below its documentation."""
    inner = list(groups(field.annotation))
    if isinstance(default, BaseModel):
        return [f"{key}:", *_indented(_settings(type(default), given=default))]
    empty = [f"{key}:", *_indented(_skeleton(inner))] if inner else [f"{key}: {_placeholder(field)}"]
    if default is None:
        return _commented(empty)
    if default is PydanticUndefined:
        return empty
    # A default list leaves out what its entries leave at their defaults; the comment below it shows that, too.
    return [*_value(key, default), *(_commented(empty) if inner else [])]


def _value(key: str, value: Any) -> list[str]:
    """A value on one line, or as a block where it is long."""
    line = one_line(value)
    if len(line) <= LONGEST_VALUE or not isinstance(value, dict | list | tuple):
        return [f"{key}: {line}"]
    block = yaml.safe_dump(
        plain_data(value, reveal=False, brief=True), sort_keys=False, width=WIDTH, allow_unicode=True
    )
    return [f"{key}:", *_indented(block.splitlines())]


def _skeleton(inner: list[tuple[str, type[BaseModel]]]) -> list[str]:
    """What an entry of a list, a map or an optional group looks like."""
    suffix, model = inner[0]
    lines = list(_settings(model))
    for part in reversed(suffix.replace("[]", ".[]").removeprefix(".").split(".") if suffix else ()):
        if part == "[]":
            first = next(index for index, line in enumerate(lines) if not line.startswith("#"))
            lines = [*lines[:first], f"- {lines[first]}", *_indented(lines[first + 1 :])]
        else:
            lines = [f"{part}:", *_indented(lines)]
    return lines


def _placeholder(field: FieldInfo) -> str:
    """Something of the right type, to be replaced."""
    name = type_name(field.annotation)
    if name.startswith("list of"):
        return "[]"
    if name.startswith("map"):
        return "{}"
    return {"whole number": "1", "number": "1.0", "true or false": "true", "condition": "TRUE"}.get(name, "CHANGE_ME")


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH)]


def _commented(lines: Iterable[str]) -> list[str]:
    return [f"# {line}" for line in lines]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
