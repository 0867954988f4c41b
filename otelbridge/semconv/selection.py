"""The setting in which a user names a measurement to watch, and by which columns its series are told apart."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from otelbridge.core.component import ComponentConfig
from otelbridge.semconv.measurements import ERROR_RATE, MEASUREMENTS, SERVICE_CALL, check_keys, keys_of

_COUNTED = {ERROR_RATE.name, SERVICE_CALL.name}


class Selection(ComponentConfig):
    """A measurement with levels, by series; what is said about each is added by the component."""

    measurement: str = Field(min_length=1)
    """Its name, e.g. `db.query.duration`, one of your own (`span_metrics`), or in a pipeline `metrics` that of a
    metric that is received."""

    by: tuple[str, ...] | None = None
    """Columns that tell its series apart; by default all keys of the measurement, or the environment, service and
    instance for one of your own and for a received metric, of which every attribute can be named. Fewer keys make fewer
    series with more values each, `[]` makes one of everything."""

    @field_validator("measurement")
    @classmethod
    def _has_levels(cls, name: str) -> str:
        if name in _COUNTED:
            raise ValueError("this one counts failures and has no level; error_spike and cascade watch it")
        return name

    @field_validator("by")
    @classmethod
    def _by_its_keys(cls, by: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        check_keys(info.data.get("measurement"), by)
        return by

    def keys(self) -> tuple[str, ...]:
        """Columns that tell the series apart."""
        return keys_of(self.measurement, self.by)

    @property
    def unit(self) -> str:
        """Of the measurement; "" for one that the catalogue does not know."""
        kind = MEASUREMENTS.get(self.measurement)
        return kind.unit if kind else ""
