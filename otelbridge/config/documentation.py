"""What the models of settings say of themselves: names, types, bounds, defaults and their documentation, as data.

`otelbridge components`, the pages in docs/components and the example configuration are all made of this, so that none
of them can say anything else than the code.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from otelbridge.config.expressions import ConditionText
from otelbridge.config.fields import arms, is_list, is_map, is_model, is_secret
from otelbridge.config.writing import one_line

REQUIRED = "required"
LONGEST_DEFAULT = 100  # characters; a longer one is read better where it has lines of its own

_PLAIN = {
    ConditionText: "condition",
    str: "text",
    bool: "true or false",  # before int, of which it is a subclass
    int: "whole number",
    float: "number",
    Path: "path",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a component.

    Attributes:
        path: below the component, e.g. `protocols.grpc.endpoint`, `rules[].keep`, `headers.NAME`.
        type: in words, with its bounds.
        default: as written in YAML; `required` where there is none, "" for a group that consists of its settings.
        documentation: the docstring under the field.
    """

    path: str
    type: str
    default: str
    documentation: str


def settings(model: type[BaseModel], prefix: str = "", given: BaseModel | None = None) -> Iterator[Setting]:
    """All settings of a model, each group before what it consists of; `given` is the default of the whole group."""
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        default = default_of(name, field, given)
        yield Setting(path, type_name(field.annotation, field.metadata), _written(default), documentation(field))
        for suffix, inner in groups(field.annotation):
            yield from settings(inner, f"{path}{suffix}.", default if isinstance(default, inner) else None)


def groups(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models below a setting, and what stands between its name and theirs: "", `[]` or `.NAME`."""
    for arm in arms(annotation):
        arguments = [argument for argument in dict.fromkeys(get_args(arm)) if argument is not Ellipsis]
        if is_model(arm):
            yield "", arm
        elif is_map(arm):
            yield from ((f".NAME{suffix}", model) for suffix, model in groups(arguments[-1]))
        elif is_list(arm):
            yield from ((f"[]{suffix}", model) for argument in arguments for suffix, model in groups(argument))


def documentation(field: FieldInfo) -> str:
    """The docstring under a field, as one paragraph."""
    return " ".join((field.description or "").split())


def model_documentation(model: type[BaseModel]) -> str:
    """The docstring of a group of settings, as one paragraph."""
    return " ".join((inspect.getdoc(model) or "").split())


def default_of(name: str, field: FieldInfo, given: BaseModel | None = None) -> Any:
    """The value without a setting; PydanticUndefined where one is required."""
    if given is not None:
        return getattr(given, name)
    return field.get_default(call_default_factory=True, validated_data={})


def type_name(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    """A type in words, with its bounds: `whole number, at least 1`."""
    names = dict.fromkeys(_arm_name(arm) for arm in arms(annotation) if arm is not types.NoneType)
    bounds = (bound for item in (*metadata, *_inner_metadata(annotation)) for bound in _bounds(item, annotation))
    return ", ".join((" or ".join(names), *bounds))


def _arm_name(arm: Any) -> str:
    arguments = [argument for argument in dict.fromkeys(get_args(arm)) if argument is not Ellipsis]
    if get_origin(arm) is Literal:
        return " | ".join(map(one_line, arguments))
    if is_secret(arm):
        return "secret text"
    if is_model(arm):
        return "settings"
    if is_map(arm):
        return f"map of {type_name(arguments[-1])}" if arguments else "map"
    if is_list(arm):
        return "list of " + " and ".join(map(type_name, arguments)) if arguments else "list"
    if isinstance(arm, type) and issubclass(arm, Enum):
        return " | ".join(one_line(member.value) for member in arm)
    return next(
        (name for plain, name in _PLAIN.items() if isinstance(arm, type) and issubclass(arm, plain)), "anything"
    )


def _inner_metadata(annotation: Any) -> Iterator[Any]:
    """The bounds that stand on one arm of a union: `PositiveFloat | None`."""
    if get_origin(annotation) is Annotated:
        yield from get_args(annotation)[1:]
    elif get_origin(annotation) in (Union, types.UnionType):
        for arm in get_args(annotation):
            yield from _inner_metadata(arm)


def _bounds(item: Any, annotation: Any) -> Iterator[str]:
    if isinstance(item, annotated_types.Ge):
        yield f"at least {_number(item.ge)}"
    elif isinstance(item, annotated_types.Gt):
        yield f"more than {_number(item.gt)}"
    elif isinstance(item, annotated_types.Le):
        yield f"at most {_number(item.le)}"
    elif isinstance(item, annotated_types.Lt):
        yield f"less than {_number(item.lt)}"
    elif isinstance(item, annotated_types.MinLen):
        unit = "entries" if any(is_list(arm) or is_map(arm) for arm in arms(annotation)) else "characters"
        yield "not empty" if item.min_length == 1 else f"at least {item.min_length} {unit}"


def _number(bound: Any) -> str:
    return f"{int(bound):,}" if bound == int(bound) else f"{bound:g}"


def _written(default: Any) -> str:
    if default is PydanticUndefined:
        return REQUIRED
    if isinstance(default, BaseModel):
        return ""
    written = "none" if default is None else one_line(default)
    return written if len(written) <= LONGEST_DEFAULT else "as in the example"
