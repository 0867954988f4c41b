"""What a user can say about `dynamic_sampling`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from otelbridge.config.expressions import ConditionText, column_names
from otelbridge.config.problems import did_you_mean
from otelbridge.core.component import ComponentConfig
from otelbridge.core.schema import DERIVED_COLUMNS
from otelbridge.semconv.concepts import CONCEPTS

DEFAULT_RULE = "default"
"""What the decision is called that no rule made."""

EXAMPLE_RULE = "example"
"""What the decision is called that a trace is kept by because a finding shows it."""

ANY_FINDING = "any"

Percent = Annotated[float, Field(ge=0, le=100)]


class Rule(BaseModel):
    """Which traces it is about, and how many of them to keep.

    All criteria that are given must hold; with none given, the rule is about every trace.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(min_length=1, max_length=100)
    """What the decision is called: on each kept span and in the metrics."""

    any_span: ConditionText | tuple[ConditionText, ...] = ()
    """A condition that holds for at least one span of the trace. Of several, each must hold for some span."""

    same_span: tuple[ConditionText, ...] = ()
    """Conditions that all hold for one and the same span of the trace."""

    has_finding: str | tuple[str, ...] = ()
    """A finding of this kind (or one of these kinds, or `any`) has the trace as its example."""

    keep: Percent
    """How many percent of these traces to keep; exact at 0 and 100."""

    critical: bool | None = None
    """Whether these traces are kept at this rate whatever the budget says, and do not count against it. By default
    those that are kept whole (`keep: 100`)."""

    @property
    def is_critical(self) -> bool:
        """As set, else whether everything is kept."""
        return self.keep == 100 if self.critical is None else self.critical

    @property
    def conditions(self) -> tuple[tuple[ConditionText, ...], ...]:
        """Criteria about spans: each is met by a span for which all its conditions hold."""
        any_span = (self.any_span,) if isinstance(self.any_span, ConditionText) else self.any_span
        return (*((condition,) for condition in any_span), *((self.same_span,) if self.same_span else ()))

    @property
    def findings(self) -> tuple[str, ...]:
        """The kinds of findings it is about."""
        return (self.has_finding,) if isinstance(self.has_finding, str) else self.has_finding

    @property
    def is_about_everything(self) -> bool:
        """Whether no trace gets past it."""
        return not self.conditions and not self.findings


class Budget(BaseModel):
    """How much to keep of what the rules keep that are not critical. One of the four amounts must be given."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    spans_per_minute: PositiveFloat | None = None
    """Spans a minute."""

    spans_per_day: PositiveFloat | None = None
    """Spans a day, spread evenly."""

    traces_per_minute: PositiveFloat | None = None
    """Traces a minute."""

    traces_per_day: PositiveFloat | None = None
    """Traces a day, spread evenly."""

    key: tuple[str, ...] = ("service", "op", "http.route")
    """Columns of the trace's first local root that tell apart what shares the budget. The rarer a combination of values
    is, the higher the rate at which it is kept. `attribute:NAME` and `resource:NAME` are attributes by name."""

    interval_seconds: Annotated[float, Field(ge=1, le=3600)] = 15.0
    """Rates change at multiples of this time. Traffic is averaged over some of them."""

    initial_keep: Percent = 100.0
    """Percent for a key that no finished interval has seen; until then nothing is known of its traffic."""

    max_keys: Annotated[PositiveInt, Field(le=10_000)] = 500
    """How many keys are told apart (100 bytes each); those beyond share one."""

    @field_validator("key")
    @classmethod
    def _columns_exist(cls, key: tuple[str, ...]) -> tuple[str, ...]:
        for name in key:
            if name not in _KEY_COLUMNS and not name.startswith(("attribute:", "resource:")):
                raise ValueError(f"there is no column {name!r}{did_you_mean(name, _KEY_COLUMNS)}")
        return key

    @model_validator(mode="after")
    def _one_amount(self) -> Budget:
        if len(self._amounts()) != 1:
            raise ValueError(f"give exactly one of {', '.join(_PER_MINUTE)}")
        return self

    @property
    def counts_spans(self) -> bool:
        """Whether a trace weighs as much as it has spans, or 1."""
        return next(iter(self._amounts())).startswith("spans")

    @property
    def per_interval(self) -> float:
        """The amount for one interval."""
        ((name, amount),) = self._amounts().items()
        return amount * _PER_MINUTE[name] * self.interval_seconds / 60

    def _amounts(self) -> dict[str, float]:
        return {name: amount for name in _PER_MINUTE if (amount := getattr(self, name)) is not None}


_KEY_COLUMNS = frozenset({column.name for column in DERIVED_COLUMNS} | {"name", "kind", "status"} | CONCEPTS.keys())
_PER_MINUTE = {"spans_per_minute": 1.0, "spans_per_day": 1 / 1440, "traces_per_minute": 1.0, "traces_per_day": 1 / 1440}


def _rule(name: str, keep: float, any_span: str = "", has_finding: str = "") -> Rule:
    return Rule(
        name=name, keep=keep, any_span=ConditionText(any_span) if any_span else (), has_finding=has_finding or ()
    )


DEFAULT_RULES = (
    _rule("errors", 100, "status = 'error'"),
    _rule("findings", 100, has_finding=ANY_FINDING),
    _rule("slow_queries", 100, "op IN ('db', 'db.query') AND duration_ms > 500"),
    _rule("mcp", 100, "op LIKE 'mcp%'"),
    _rule("llm", 100, "gen_ai.request.model IS NOT NULL OR op = 'ai.business'"),
    _rule("streaming", 50, "op = 'ai.streaming'"),
    _rule("workflows", 30, "op LIKE 'workflow%'"),
    _rule("queries", 20, "op IN ('db', 'db.query')"),
    _rule("analysis", 20, "op = 'ai.analysis'"),
)


class Config(ComponentConfig):
    """Keep what matters and a fair sample of the rest. One decision for all spans of a trace."""

    rules: tuple[Rule, ...] = DEFAULT_RULES
    """The first rule that is about a trace decides. By default: all errors, findings, queries over 500 ms, MCP and
    model calls; half of other streaming, 30 % of workflows, 20 % of what has queries or analyses. The example of a
    finding that lasts, as trackers make them, is kept whatever the rules say, by a rule `example`."""

    default_keep: Percent = 10.0
    """How many percent of the other traces to keep."""

    budget: Budget | None = None
    """Keep less than the rules say when there is more traffic than this allows; without it rates never change."""

    dry_run: bool = False
    """Keep everything and only mark what would have been kept (`sampling.would_keep`)."""

    @field_validator("rules")
    @classmethod
    def _names_differ(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.name for rule in rules]
        for name in names:
            if names.count(name) > 1 or name in (DEFAULT_RULE, EXAMPLE_RULE):
                raise ValueError(f"another rule is called {name!r} already")
        return rules

    def columns(self) -> frozenset[str]:
        """The columns that the rules and the budget look at."""
        conditions = (text for rule in self.rules for criterion in rule.conditions for text in criterion)
        key = frozenset(self.budget.key) if self.budget else frozenset()
        return key.union(*(column_names(text) for text in conditions))

    def warnings(self) -> Iterator[str]:
        """Rules that can never decide."""
        for place, rule in enumerate(self.rules):
            for earlier in self.rules[:place]:
                if earlier.is_about_everything or _same(earlier, rule):
                    yield f"rule {rule.name!r} never decides: {earlier.name!r} before it is about the same traces"
                    break


def _same(one: Rule, other: Rule) -> bool:
    return (one.conditions, one.findings) == (other.conditions, other.findings)
