"""Values as YAML that a person would have written: flat, plain where that is unambiguous, secrets left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from otelbridge.config.scalars import plain_value

REDACTED = "[REDACTED]"

_SECRETS = (SecretStr, SecretBytes, Secret)
_PLAIN = re.compile(r"[A-Za-z0-9_./$^(][\w ./$^()<>=+:;-]*", re.ASCII)


def one_line(value: Any) -> str:
    """A value in YAML's flow style; settings inside it without those that have their default."""
    value = plain_data(value, reveal=False, brief=True)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{one_line(key)}: {one_line(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(one_line, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)


def plain_data(value: Any, *, reveal: bool, brief: bool = False) -> Any:
    """Settings as dicts, lists and scalars.

    Args:
        value: settings, or part of them.
        reveal: whether secrets are shown; otherwise those that are not empty are `[REDACTED]`.
        brief: whether settings that have their default are left out.
    """
    if isinstance(value, BaseModel):
        return {key: plain_data(inner, reveal=reveal, brief=brief) for key, inner in _settings(value, brief=brief)}
    if isinstance(value, dict):
        return {str(key): plain_data(inner, reveal=reveal, brief=brief) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(inner, reveal=reveal, brief=brief) for inner in value]
    if isinstance(value, set | frozenset):
        return [plain_data(inner, reveal=reveal, brief=brief) for inner in sorted(value)]
    if isinstance(value, _SECRETS):
        secret = value.get_secret_value()
        return plain_data(secret, reveal=True) if reveal or not secret else REDACTED
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | Path):
        return str(value)
    return value


def _settings(group: BaseModel, *, brief: bool) -> Iterator[tuple[str, Any]]:
    """Keys and values, without the keys that are not there: `http: null` could mean that it is there, with defaults."""
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        default = field.get_default(call_default_factory=True, validated_data={})
        if value != default if brief else value is not None or default is not None:
            yield field.alias or name, value


def _text(text: str) -> str:
    """Text without quotes where every reader of YAML reads it as the same text, also inside brackets."""
    is_plain = _PLAIN.fullmatch(text) and not text.endswith((" ", ":")) and ": " not in text
    if is_plain and plain_value(text) == text and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)
