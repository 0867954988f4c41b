"""What a user can say about `n_plus_one`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from otelbridge.core.component import ComponentConfig

Detected = Literal["db", "http", "mcp"]


class Config(ComponentConfig):
    """Find work that is done once for each item although it could be done once for all of them."""

    mode: Literal["sentry", "count", "both"] = "sentry"
    """`sentry`: repeats of one statement below one parent (or below parents that are siblings of one loop), judged by
    number and time as Sentry's own detector does. `count`: more than `count` queries of the same operation and table
    in one trace, wherever they stand and however fast they are. `both`: what either finds, each repeat once."""

    detect: tuple[Detected, ...] = ("db", "http", "mcp")
    """What may be repeated: `db` queries, `http` GET requests of one URL template, `mcp` calls of one tool."""

    min_repeats: Annotated[int, Field(ge=2)] = 5
    """A loop has at least this many repeats. Sentry: 5."""

    min_duration_ms: NonNegativeFloat = 50.0
    """... which together take at least this long; time in which several of them run at once counts once. Sentry: 50."""

    long_loop_repeats: Annotated[int, Field(ge=2)] = 20
    """A loop with at least this many repeats is reported although it was quicker than `min_duration_ms`: it grows with
    the data, and only the distance to the database of this environment makes it fast."""

    long_loop_duration_ms: NonNegativeFloat = 10.0
    """... provided that it took at least this long altogether; an in-process database answers quicker than that."""

    min_cycles: Annotated[int, Field(ge=2)] = 3
    """Two or more statements that take turns (A B A B A B) are one loop from this many turns on. Sentry: 3."""

    require_source: bool = True
    """Report a loop of reading queries only when a different query ended before it began, which gave the items to loop
    over. Loops of writes, requests and tool calls need none."""

    count: PositiveInt = 5
    """Mode `count`: more than this many."""

    max_levels: Annotated[int, Field(ge=1, le=16)] = 4
    """How far above the repeats their common ancestor may be; 1: repeats share their parent. ORMs and GraphQL put up
    to three spans around each query."""

    polling_pause_ms: NonNegativeFloat = 1000.0
    """Repeats with pauses of this length between them (the median one) are polling and not reported; neither are
    ones that come by the clock with pauses of a twentieth of it, if pausing takes three quarters of their time."""

    min_interval_seconds: NonNegativeFloat = 60.0
    """The same loop is reported once in this time; the finding says how many traces had it since the one before. The
    spans of the others are marked all the same. 0: report every trace."""

    max_remembered: PositiveInt = 4096
    """How many different loops are remembered for that (40 bytes each); the one longest not seen is forgotten first."""
