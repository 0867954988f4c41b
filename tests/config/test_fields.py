from typing import Annotated, Any

import pytest
from pydantic import Secret, SecretStr

from otelbridge.config.fields import Fields
from otelbridge.config.model import Catalogue
from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind
from tests.config.catalogue import CATALOGUE


class Dsn(SecretStr):
    """A secret of its own type."""


class Inner(ComponentConfig):
    name: str = ""
    key: SecretStr | None = None
    again: "Inner | None" = None


class OddConfig(ComponentConfig):
    own: Dsn = Dsn("")
    generic: Secret[int] = Secret(0)
    optional: Annotated[SecretStr, "x"] | None = None
    anything: Any = None
    free: dict[str, Any] = {}  # noqa: RUF012  # pydantic copies it
    pair: tuple[str, SecretStr] = ("", SecretStr(""))
    nested: list[dict[str, Inner]] = []  # noqa: RUF012  # as above
    number: int | None = None


ODD = Fields(Catalogue.of([ComponentSpec(Kind.EXPORTER, "odd", OddConfig, lambda config, _: config, "odd")]))


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("own", False),
        ("generic", False),
        ("optional", False),
        ("anything", False),
        ("free.a", False),
        ("pair.0", False),
        ("nested.0.a.name", True),
        ("nested.0.a.key", False),
        ("nested.0.a.again.name", True),
        ("nested.0.a", False),
        ("nested", False),
        ("number", True),
        ("unknown", False),
        ("number.deeper", False),
        ("", False),
    ],
)
def test_a_value_is_shown_only_under_a_known_setting_of_a_plain_type(path: str, may: bool) -> None:
    assert ODD.may_show(["exporters", "odd/x", *filter(None, path.split("."))]) is may


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("", ["receivers", "processors", "trackers", "exporters", "service"]),
        ("exporters", ["odd"]),
        ("exporters.odd.nested.0.a", ["name", "key", "again"]),
        ("exporters.odd.free", []),
        ("exporters.none", []),
        ("service.pipelines.traces", ["receivers", "processors", "trackers", "exporters"]),
    ],
)
def test_the_keys_of_a_place_are_known(path: str, keys: list[str]) -> None:
    assert ODD.known_keys(path.split(".") if path else []) == keys


def test_the_known_words_are_names_and_no_values() -> None:
    words = Fields(CATALOGUE).words()

    assert {"exporters", "sentry", "dsn", "any_span", "outbox_capacity_mib", "traces"} <= words
    assert "sqlite" not in words
