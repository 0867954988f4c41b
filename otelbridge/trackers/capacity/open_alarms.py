"""Alarms whose series may never be heard of again: processes end, and with them what they report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from otelbridge.analysis.identities import Identity

SILENT_SECONDS = 3 * 3600.0
"""As long as a growth is looked back upon: what says nothing for so long is not there any more."""


class Alarm(msgspec.Struct, array_like=True):
    """One series in alarm: what it is, and when it was last heard of, by the time of its data."""

    identity: Identity
    heard: float


class OpenAlarms:
    """The series in alarm, by slot. A few, of some 200 bytes each."""

    def __init__(self) -> None:
        self._alarms: dict[int, Alarm] = {}
        self._newest = 0.0
        self._is_saved = True

    def hear(self, slots: Iterable[int], times: Iterable[float]) -> None:
        """These series were heard of at these times."""
        for slot, time in zip(slots, times, strict=True):
            if time > self._newest:
                self._newest, self._is_saved = time, False
            alarm = self._alarms.get(slot)
            if alarm is not None and time > alarm.heard:
                alarm.heard, self._is_saved = time, False

    def note(self, slot: int, identity: Identity, *, is_alarm: bool) -> None:
        """A series' alarm begins, or ends."""
        self._is_saved = False
        if is_alarm:
            self._alarms[slot] = Alarm(identity, self._newest)
        else:
            self._alarms.pop(slot, None)

    def take_forgotten(self, slots: Iterable[int]) -> Iterator[Alarm]:
        """Alarms of series that had to leave; their slots are others' from now on."""
        for slot in slots:
            if (alarm := self._alarms.pop(slot, None)) is not None:
                self._is_saved = False
                yield alarm

    def take_silent(self) -> list[tuple[int, Alarm]]:
        """Alarms of series that were not heard of for long, and their slots."""
        silent = [(slot, one) for slot, one in self._alarms.items() if self._newest - one.heard >= SILENT_SECONDS]
        for slot, _ in silent:
            del self._alarms[slot]
            self._is_saved = False
        return silent

    def changes(self) -> bytes | None:
        """The state if it changed since the last call."""
        if self._is_saved:
            return None
        state = msgspec.msgpack.encode((self._newest, self._alarms))
        self._is_saved = True
        return state

    def restore(self, state: bytes, identities: Mapping[int, Identity]) -> None:
        """Take over what `changes` gave, of series that are still watched; raises msgspec.MsgspecError."""
        self._newest, alarms = msgspec.msgpack.decode(state, type=tuple[float, dict[int, Alarm]])
        self._alarms = {slot: alarm for slot, alarm in alarms.items() if identities.get(slot) == alarm.identity}
