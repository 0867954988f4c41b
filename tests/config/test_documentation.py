from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from otelbridge.catalogue import BUILT_IN
from otelbridge.config.documentation import settings
from otelbridge.config.model import ServiceConfig
from tests.config.catalogue import MarkConfig, OtlpConfig, SampleConfig, SentryConfig


def documented(model: type[BaseModel]) -> dict[str, tuple[str, str]]:
    return {setting.path: (setting.type, setting.default) for setting in settings(model)}


def test_types_bounds_and_defaults_are_said_in_words() -> None:
    assert documented(MarkConfig) == {
        "slow_ms": ("number, more than 0", "500.0"),
        "label": ("text", "slow"),
        "mode": ('"on" | "off" | auto', "auto"),
        "repeats": ("whole number or many", "5"),
        "names": ("list of text", "[]"),
        "weights": ("map of number", "{}"),
        "strict": ("true or false", "false"),
    }


def test_a_group_is_followed_by_its_settings_with_the_defaults_they_have_there() -> None:
    assert documented(OtlpConfig)["http"] == ("settings", "")
    assert documented(OtlpConfig)["http.endpoint"] == ("text", "127.0.0.1:4318")
    assert documented(OtlpConfig)["extra"] == ("settings", "none")


def test_entries_of_lists_are_documented() -> None:
    assert documented(SampleConfig)["rules[].name"] == ("text", "required")
    assert documented(SampleConfig)["rules[].any_span"] == ("condition", '"TRUE"')


def test_entries_of_maps_are_documented() -> None:
    assert documented(ServiceConfig)["pipelines.NAME.receivers"] == ("list of text, not empty", "required")


def test_secrets_are_named_as_such() -> None:
    assert documented(SentryConfig)["dsn"] == ("secret text", '""')
    assert documented(SentryConfig)["headers"] == ("map of secret text", "{}")


def all_models() -> Iterator[tuple[str, type[BaseModel]]]:
    yield "service", ServiceConfig
    for spec in BUILT_IN:
        yield spec.name, spec.config


@pytest.mark.parametrize(
    ("name", "model"), list(all_models()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_setting_of_every_component_is_documented(name: str, model: type[BaseModel]) -> None:
    undocumented = [setting.path for setting in settings(model) if not setting.documentation]

    assert undocumented == []


@pytest.mark.parametrize(
    ("name", "model"), list(all_models()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_type_can_be_said_in_words(name: str, model: type[BaseModel]) -> None:
    assert [setting for setting in settings(model) if "anything" in setting.type] == []
