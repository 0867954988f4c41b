"""Findings that last: raised once, told of again only when they change, resolved when they are over.

Trackers judge; this book decides what is worth sending. A finding of the state `once` is none of its business.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec

from otelbridge.core.findings import Finding, readable

MAX_OPEN = 10_000  # of some 150 bytes each; a finding that is forgotten would be raised again, nothing is lost
UPDATE_SECONDS = 60.0  # an incident that grows by the second is told of once a minute
# A tracker that had to forget a series does not say when its incident ends. The next one must not go unheard.
RAISE_SECONDS = 3600.0

_Key = tuple[str, ...]


class _Open(msgspec.Struct, array_like=True):
    """One open finding: since when, last told of, and how often it was raised or updated without being told of."""

    since: float
    told: float
    repeats: int = 0


class OpenFindings:
    """The open findings of one task, by kind, key and instance.

    State: at most MAX_OPEN entries; the one longest not raised again is forgotten first.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[_Key, _Open] = OrderedDict()
        self._is_saved = True

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Those that are to be sent; `contexts["finding"]` says since when it is open and how often it was raised."""
        for finding in findings:
            if finding.state == "once":
                yield finding
                continue
            self._is_saved = False
            key = (finding.kind, *finding.key, *([finding.instance] if finding.instance else []))
            entry = self._open.get(key)
            if finding.state == "resolved":
                if entry is not None:
                    del self._open[key]
                    yield _told(finding, entry)
            elif entry is None:
                self._open[key] = entry = _Open(finding.time, finding.time)
                if len(self._open) > MAX_OPEN:
                    self._open.popitem(last=False)
                yield _told(replace(finding, state="raised"), entry)
            else:
                self._open.move_to_end(key)
                patience = RAISE_SECONDS if finding.state == "raised" else UPDATE_SECONDS
                if finding.time - entry.told >= patience:
                    entry.told = finding.time
                    yield _told(finding, entry)
                else:
                    entry.repeats += 1

    def changes(self) -> bytes | None:
        """The state if it changed since the last call."""
        if self._is_saved:
            return None
        state = msgspec.msgpack.encode([(key, entry) for key, entry in self._open.items()])
        self._is_saved = True
        return state

    def restore(self, state: bytes) -> None:
        """Take over what `changes` gave."""
        self._open = OrderedDict(msgspec.msgpack.decode(state, type=list[tuple[_Key, _Open]]))


def _told(finding: Finding, entry: _Open) -> Finding:
    life = readable({"state": finding.state, "since": entry.since, "repeats": entry.repeats})
    return replace(finding, contexts={**finding.contexts, "finding": life})
