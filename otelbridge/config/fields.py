"""What stands behind a path of a configuration: which keys are known there, and whether a value may be shown.

A value may be shown only where a setting is known and its type is a plain one. Under an unknown key nothing is shown:
that is where a misspelt `dns: https://key@...` stands.
"""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from otelbridge.config.expressions import ConditionText
from otelbridge.config.model import SECTIONS, Catalogue, ServiceConfig

_SECRETS = (SecretStr, SecretBytes, Secret)
_PLAIN = (str, int, float, bool, Enum, Path)
_MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Set)


class Fields:
    """Looks up paths in the models of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def known_keys(self, path: Sequence[str]) -> list[str]:
        """The keys that a map at this path may have; empty when any may, or none."""
        if not path:
            return [*SECTIONS, "service"]
        if len(path) == 1 and path[0] in SECTIONS:
            return self._catalogue.names(SECTIONS[path[0]])
        models = [arm for type_ in self._types(path) for arm in arms(type_) if is_model(arm)]
        return list(dict.fromkeys(name for model in models for name in field_names(model)))

    def means_default(self, path: Sequence[str]) -> bool:
        """Whether a key without a value is as good as no key.

        Not an unknown one, which is a mistake, and not one whose default is nothing: where things are switched on by
        being there (`protocols: {grpc: }`), the key itself says something.
        """
        for arm in (arm for type_ in self._types(path[:-1]) for arm in arms(type_)):
            if is_map(arm):
                return True
            if is_model(arm) and (field := field_of(arm, path[-1])):
                return field.get_default(call_default_factory=True, validated_data={}) is not None
        return False

    def may_show(self, path: Sequence[str]) -> bool:
        """Whether a single value at this path may stand in a message."""
        found = [arm for type_ in self._types(path) for arm in arms(type_)]
        return any(_is_plain(arm) for arm in found) and not any(is_secret(arm) for arm in found)

    def is_condition(self, path: Sequence[str]) -> bool:
        """Whether a setting holds a condition."""
        return any(_is_class(arm, (ConditionText,)) for type_ in self._types(path) for arm in arms(type_))

    def words(self) -> frozenset[str]:
        """Every word that is no secret in any place: names of settings, of components and of sections."""
        models: list[Any] = [ServiceConfig, *(spec.config for spec in self._catalogue.specs.values())]
        names = {*SECTIONS, "service", "traces", *(name for _, name in self._catalogue.specs)}
        return frozenset(names.union(*(_all_names(model, set()) for model in models)))

    def _types(self, path: Sequence[str]) -> list[Any]:
        if not path:
            return []
        if path[0] == "service":
            types_: list[Any] = [ServiceConfig]
            steps = path[1:]
        elif path[0] in SECTIONS and len(path) > 1:
            spec = self._catalogue.specs.get((SECTIONS[path[0]], path[1].partition("/")[0]))
            types_ = [spec.config] if spec else []
            steps = path[2:]
        else:
            return []
        for key in steps:
            types_ = [inner for type_ in types_ for arm in arms(type_) for inner in _step(arm, key)]
        return types_


def arms(annotation: Any) -> Iterator[Any]:
    """The types that a value of this annotation may have: `X | None` gives X and NoneType."""
    origin = get_origin(annotation)
    if hasattr(annotation, "__value__"):  # a type alias
        yield from arms(annotation.__value__)
    elif origin is Annotated:
        yield from arms(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for arm in get_args(annotation):
            yield from arms(arm)
    else:
        yield annotation


def field_names(model: type[BaseModel]) -> list[str]:
    """The keys of a model's settings, as written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def field_of(model: type[BaseModel], key: str) -> FieldInfo | None:
    """The setting of a model that is written as this key."""
    return next((field for name, field in model.model_fields.items() if key == (field.alias or name)), None)


def is_secret(arm: Any) -> bool:
    """Whether a type hides its value."""
    return _is_class(get_origin(arm) or arm, _SECRETS)


def is_model(arm: Any) -> bool:
    """Whether a type is a group of settings."""
    return _is_class(arm, (BaseModel,))


def is_map(arm: Any) -> bool:
    """Whether a type is a map with free keys."""
    return _is_class(get_origin(arm) or arm, _MAPS)


def is_list(arm: Any) -> bool:
    """Whether a type is a list of some kind."""
    return _is_class(get_origin(arm) or arm, _LISTS) and not _is_class(arm, (str,))


def _is_plain(arm: Any) -> bool:
    if is_list(arm):  # what stands where a list of plain values should
        inner = [one for argument in get_args(arm) if argument is not Ellipsis for one in arms(argument)]
        return bool(inner) and all(_is_plain(one) for one in inner)
    return get_origin(arm) is Literal or (_is_class(arm, _PLAIN) and not is_secret(arm))


def _is_class(value: Any, classes: tuple[type, ...]) -> bool:
    return isinstance(value, type) and issubclass(value, classes)


def _step(arm: Any, key: str) -> Iterator[Any]:
    """The types of what stands under a key, or at a place of a list."""
    arguments = get_args(arm)
    if is_model(arm):
        field = field_of(arm, key)
        yield from [field.annotation] if field else []
    elif is_map(arm) and len(arguments) == 2:
        yield arguments[1]
    elif is_list(arm):
        yield from (argument for argument in arguments if argument is not Ellipsis)


def _all_names(model: type[BaseModel], seen: set[Any]) -> set[str]:
    if model in seen:
        return set()
    seen.add(model)
    names = set(field_names(model))
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            names |= _all_names(inner, seen)
    return names


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    for arm in arms(annotation):
        if is_model(arm):
            yield arm
        else:
            for argument in get_args(arm) if get_origin(arm) is not Literal else ():
                yield from _models_in(argument)
