"""From spans that may be repeats to loops: what is repeated where, how often, and whether that is worth a word.

Repeats are counted below their parent; those that are too few there are counted below the parent's parent, together
with the ones below siblings of the same name, and so on upwards. An ancestor with enough of them is the loop's anchor.
Everything works on arrays over all traces of a batch at once; there is a Python loop only over what is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import eq

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Flags, Hashes, Integers, as_index, integers, mix, number, sizes
from otelbridge.analysis.intervals import Coverage, cover
from otelbridge.processors.n_plus_one.candidates import DB, HTTP, Repeats, frequent, kinds_beside
from otelbridge.processors.n_plus_one.settings import Config
from otelbridge.processors.n_plus_one.tree import NOWHERE, SpanTree
from otelbridge.semconv.templates import parameterise

REGULAR = 0.15  # time from start to start varies by less: so do setInterval and sleep (2 % seen), but not real work
MOSTLY_IDLE = 0.75  # of the time; what the queries cost is then not what the loop costs
SHORTEST_POLLING = 1 / 20  # of `polling_pause_ms`: 50 ms, shorter pauses are the program's own work
MOSTLY_IN_TURN = 0.8  # concurrency swaps a few neighbours of a cycle
MILLISECOND = 1e6


@dataclass(frozen=True, slots=True)
class Loop:
    """The same thing, done once for each item.

    Attributes:
        trace: hash of the trace id.
        anchor: span id of the common ancestor; 0 where repeats were counted over the whole trace.
        level: how far above the repeats it is; 1 is their parent, 0 the whole trace.
        kind: DB, HTTP or MCP.
        rows: rows of the repeats, ordered by start.
        kinds: rows of the first repeat of each of the statements that take turns.
        signatures: signatures of the repeats, one each of the kinds.
        write: it changes data.
        union_ms: time in which at least one of them ran.
    """

    trace: int
    anchor: int
    level: int
    kind: int
    rows: Integers
    kinds: Integers
    signatures: frozenset[int]
    write: bool
    union_ms: float

    @property
    def repeats(self) -> int:
        """How often; what takes turns is counted by the turn."""
        return len(self.rows) // len(self.kinds)


def loops_below_anchors(repeats: Repeats, tree: SpanTree, names: pl.Series, config: Config) -> list[Loop]:
    """Loops as Sentry sees them, and those whose repeats stand below siblings; no repeat is in two of them.

    Args:
        repeats: what may be repeats.
        tree: the spans of their traces.
        names: span names of the batch.
        config: the limits.
    """
    found: list[Loop] = []
    repeats = repeats.only(repeats.parent != 0)
    anchor, path = repeats.parent, np.zeros(len(repeats), np.uint64)
    for level in range(1, config.max_levels + 1):
        here, is_taken = _loops_at(repeats, anchor, path, level, config)
        found += here
        if is_taken.all():
            break
        parents = tree.find(repeats.trace, anchor)
        goes_on = ~is_taken & _has_parent(parents, tree)
        goes_on[goes_on] = frequent(repeats.trace[goes_on], repeats.signature[goes_on], config)
        if not goes_on.any():
            break
        repeats, parents = repeats.only(goes_on), parents[goes_on]
        anchor, path = tree.parent_ids[parents], mix(path[goes_on], _hash_names(names, parents))
    return found


def loops_by_count(repeats: Repeats, config: Config) -> list[Loop]:
    """More than `count` of the same operation and table in one trace."""
    what = mix(repeats.trace, repeats.kind, repeats.about)
    groups = _Groups(what, what, repeats)
    verdict = (groups.counts > config.count) & ~_is_polling(groups.coverage, config) & groups.asks_for_many_things()
    return groups.loops(verdict, np.zeros(len(repeats), np.uint64), 0)


def _has_parent(rows: Integers, tree: SpanTree) -> Flags:
    """Whether counting may go on above these spans: it ends at the border of the process."""
    return np.asarray((rows != NOWHERE) & ~tree.is_segment[rows] & (tree.parent_ids[rows] != 0))


def _hash_names(names: pl.Series, rows: Integers) -> Hashes:
    return integers(names[as_index(rows)].to_frame("name").select(parameterise(pl.col("name")).hash()).to_series())


def _loops_at(repeats: Repeats, anchor: Hashes, path: Hashes, level: int, config: Config) -> tuple[list[Loop], Flags]:
    """Loops whose anchor is this many levels up, and which of the repeats are in one."""
    place = mix(repeats.trace, anchor, path, repeats.kind)
    what = mix(place, repeats.signature)
    together = _take_turns(place, what, repeats, config)
    groups = _Groups(together, what, repeats)
    kinds = groups.kinds()
    repeated = groups.counts // kinds
    union_ns = groups.coverage.union_ns
    enough = repeated >= np.where(kinds > 1, config.min_cycles, config.min_repeats)
    slow = enough & (union_ns >= config.min_duration_ms * MILLISECOND)
    long = (repeated >= config.long_loop_repeats) & (union_ns >= config.long_loop_duration_ms * MILLISECOND)
    verdict = (slow | long) & ~_is_polling(groups.coverage, config) & groups.asks_for_many_things()
    return groups.loops(verdict, anchor, level), groups.members_of(verdict)


def _is_polling(coverage: Coverage, config: Config) -> Flags:
    pause_ns = config.polling_pause_ms * MILLISECOND
    busy = coverage.union_ns / np.maximum(coverage.elapsed_ns, 1)
    by_the_clock = (coverage.regularity < REGULAR) & (1.0 - busy >= MOSTLY_IDLE)
    pause = coverage.median_pause_ns
    return np.asarray((pause >= pause_ns) | (by_the_clock & (pause >= pause_ns * SHORTEST_POLLING)))


class _Groups:
    """Repeats by group, ordered by start within each; one entry a group."""

    def __init__(self, group: Hashes, what: Hashes, repeats: Repeats) -> None:
        self._repeats = repeats
        self._what = what
        self._mixed = group is not what
        self._group = number(group).of_row
        self._order = np.argsort(self._group, kind="stable")
        self.counts = np.bincount(self._group)
        self._starts = np.cumsum(self.counts) - self.counts
        self.coverage = cover(self._starts, repeats.start_ns[self._order], repeats.end_ns[self._order])

    def distinct(self, values: Hashes) -> Integers:
        """How many different values each group has."""
        pairs = number(mix(self._group, values))
        return np.bincount(self._group[pairs.first], minlength=len(self.counts))

    def kinds(self) -> Integers:
        """How many different things each group repeats."""
        return self.distinct(self._what) if self._mixed else np.ones_like(self.counts)

    def asks_for_many_things(self) -> Flags:
        """Whether it is not one request again and again, as retries and polling are."""
        if not (self._repeats.kind == HTTP).any():
            return np.ones(len(self.counts), np.bool_)
        return self.distinct(self._repeats.thing) > 1

    def members_of(self, verdict: Flags) -> Flags:
        """Which repeats belong to the groups chosen."""
        return np.asarray(verdict[self._group])

    def loops(self, verdict: Flags, anchor: Hashes, level: int) -> list[Loop]:
        """The groups chosen."""
        found = []
        repeats = self._repeats
        for group in np.flatnonzero(verdict).tolist():
            members = self._order[self._starts[group] : self._starts[group] + self.counts[group]]
            first = members[0]
            firsts = np.unique(self._what[members], return_index=True)[1] if self._mixed else np.zeros(1, np.int64)
            loop = Loop(
                trace=int(repeats.trace[first]),
                anchor=int(anchor[first]),
                level=level,
                kind=int(repeats.kind[first]),
                rows=repeats.rows[members],
                kinds=repeats.rows[members[np.sort(firsts)]],
                signatures=frozenset(repeats.signature[members[firsts]].tolist()),
                write=bool(repeats.write[first]),
                union_ms=float(self.coverage.union_ns[group] / MILLISECOND),
            )
            found.append(loop)
        return found


def _take_turns(place: Hashes, what: Hashes, repeats: Repeats, config: Config) -> Hashes:
    """`what`, with one value for statements that take turns below one anchor (A B A B A B)."""
    alike = sizes(what)
    may = (repeats.kind == DB) & (alike >= config.min_cycles)
    candidates = np.flatnonzero(may)
    candidates = candidates[kinds_beside(place[candidates], alike[candidates])]
    if not len(candidates):
        return what
    together = what.copy()
    for members in _split(candidates, place):
        for turn in _cycles(what[members].tolist()):
            together[members[turn]] = np.bitwise_xor.reduce(np.unique(what[members[turn]]))
    return together


def _split(members: Integers, keys: Hashes) -> list[Integers]:
    ordered = members[np.argsort(keys[members], kind="stable")]
    return np.split(ordered, np.flatnonzero(np.diff(keys[ordered])) + 1)


def _cycles(sequence: list[int]) -> Iterator[slice]:
    """Stretches of a sequence in which several values follow one another again and again."""
    last = {value: i for i, value in enumerate(sequence)}
    begin = reach = 0
    for i, value in enumerate(sequence):
        reach = max(reach, last[value])
        if i == reach:  # nothing before i comes again behind it
            stretch = sequence[begin : i + 1]
            if _is_cycle(stretch):
                yield slice(begin, i + 1)
            begin = reach = i + 1


def _is_cycle(stretch: list[int]) -> bool:
    counts = Counter(stretch)
    period = len(counts)
    if period == 1 or max(counts.values()) - min(counts.values()) > 1:
        return False
    in_turn = sum(map(eq, stretch[period:], stretch))
    return bool(in_turn >= MOSTLY_IN_TURN * (len(stretch) - period))
