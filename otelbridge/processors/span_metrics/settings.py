"""The settings: measurements of one's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from otelbridge.core.component import ComponentConfig
from otelbridge.core.measurements import COLUMNS, ENVIRONMENT, SERVICE, MeasurementKind
from otelbridge.core.schema import DERIVED_COLUMNS
from otelbridge.semconv.concepts import CONCEPTS
from otelbridge.semconv.measurements import MEASUREMENTS

_TEXTS = frozenset({"name", *(column.name for column in DERIVED_COLUMNS), *CONCEPTS})


def _new_name(name: str) -> str:
    if name in MEASUREMENTS:
        raise ValueError("there is a measurement of this name already")
    return name


def _key(name: str) -> str:
    if name not in _TEXTS or name in COLUMNS:
        raise ValueError("not a column that a series can be keyed by; `otelbridge components --columns` lists them")
    return name


class CustomMeasurement(ComponentConfig):
    """A measurement made of a number in an attribute, on every span that has it."""

    name: Annotated[str, AfterValidator(_new_name)] = Field(min_length=1, max_length=100)
    """Its name, for trackers to watch: lower case with dots, e.g. `queue.depth`."""

    attribute: str = Field(min_length=1, max_length=200)
    """The span attribute that holds the number; text that reads as a number counts too."""

    scale: float = Field(default=1.0, gt=0)
    """What the number is multiplied by, e.g. 0.01 for a share that is reported in percent."""

    unit: str = Field(default="1", max_length=20)
    """Its unit after scaling; `1` for shares, where 1 is 100 %."""

    keys: tuple[Annotated[str, AfterValidator(_key)], ...] = (SERVICE,)
    """Columns that tell its series apart, beside the environment."""

    def kind(self) -> MeasurementKind:
        """As the catalogue would have it."""
        keys = dict.fromkeys((ENVIRONMENT, *self.keys))
        return MeasurementKind(self.name, self.unit, tuple(keys), f"attribute {self.attribute}")


class Config(ComponentConfig):
    """Settings of span_metrics."""

    custom: tuple[CustomMeasurement, ...] = ()
    """Measurements from attributes of your own, e.g. the utilisation of a pool that the application reports."""

    @field_validator("custom")
    @classmethod
    def _names_differ(cls, custom: tuple[CustomMeasurement, ...]) -> tuple[CustomMeasurement, ...]:
        names = [one.name for one in custom]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two measurements are called {name!r}")
        return custom
