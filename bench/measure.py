"""What a process tree has cost, as the kernel counts it: CPU seconds and the peak of its resident memory."""

from __future__ import annotations

import os
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    tree = [pid]
    for parent in tree:  # grows while it is walked
        for task in (PROC / str(parent) / "task").iterdir():
            tree += map(int, (task / "children").read_text().split())
    return tree


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of the tree, those that have ended included."""
    return sum(_cpu_seconds(PROC / str(member) / "stat") for member in process_tree(pid))


def peak_memory_bytes(pid: int) -> int:
    """VmHWM: the most that was resident at any time, summed over the tree."""
    return sum(_status_kib(member, "VmHWM") for member in process_tree(pid)) * 1024


def memory_bytes(pid: int) -> int:
    """VmRSS: what is resident now, summed over the tree."""
    return sum(_status_kib(member, "VmRSS") for member in process_tree(pid)) * 1024


def forget_peak(pid: int) -> None:
    """Let VmHWM begin again at what is resident now."""
    (PROC / str(pid) / "clear_refs").write_text("5")


def _cpu_seconds(stat: Path) -> float:
    after_name = stat.read_text().rsplit(")", 1)[1].split()  # a name may hold blanks and parentheses
    user, system = after_name[11:13]
    return (int(user) + int(system)) / TICKS_PER_SECOND


def _status_kib(pid: int, name: str) -> int:
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise LookupError(f"{name} of process {pid}")
