from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from otelbridge.trackers.capacity.settings import Limit
from otelbridge.trackers.degradation.settings import Watch


@pytest.mark.parametrize("model", [Watch, Limit])
@pytest.mark.parametrize(
    ("measurement", "by", "said"),
    [
        ("llm.tokens", ["gen_ai.provider"], "'gen_ai.provider' is no key of llm.tokens; there are environment, gen_ai"),
        ("llm.tokens", ["environment", "environment"], "a column stands here twice"),
        ("queue.depth", ["release"], "'release' is no key of any measurement"),
    ],
)
def test_columns_that_cannot_tell_series_apart_are_refused(
    model: type[BaseModel], measurement: str, by: list[str], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        model.model_validate({"measurement": measurement, "by": by})


@pytest.mark.parametrize("limit", ["40", "-0.5", ".5", "1e6", " 40"])
def test_a_limit_that_is_a_number_in_quotes_is_refused(limit: str) -> None:
    with pytest.raises(ValidationError, match="this is text: write a number, without quotes"):
        Limit.model_validate({"measurement": "queue.depth", "limit": limit})


@pytest.mark.parametrize("limit", ["4O", "40 MB", "85%", "2xx.max"])
def test_a_limit_that_begins_with_a_digit_is_no_name(limit: str) -> None:
    with pytest.raises(ValidationError, match="neither a number nor a name: no measurement's begins with a digit"):
        Limit.model_validate({"measurement": "queue.depth", "limit": limit})


@pytest.mark.parametrize("limit", [40, 0.5, "queue.max", "_queue:max", "p99.max", "infinity.stones"])
def test_a_limit_is_a_number_or_the_name_of_a_measurement(limit: float | str) -> None:
    assert Limit.model_validate({"measurement": "queue.depth", "limit": limit}).limit == limit


@pytest.mark.parametrize("model", [Watch, Limit])
@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"measurement": "llm.ttft"}, ("environment", "gen_ai.provider.name", "gen_ai.request.model")),
        ({"measurement": "llm.ttft", "by": []}, ()),
        ({"measurement": "queue.depth"}, ("environment", "service", "instance")),
        ({"measurement": "queue.depth", "by": ["queue.name"]}, ("queue.name",)),
    ],
)
def test_series_are_told_apart_by_what_is_asked_for_or_by_all_keys(
    model: type[Watch] | type[Limit], settings: dict[str, Any], keys: tuple[str, ...]
) -> None:
    assert model.model_validate(settings).keys() == keys
