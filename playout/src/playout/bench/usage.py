"""What a process has cost so far, as the kernel counts it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from playout import clock

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """A reading of processes: CPU seconds (user and system, all threads) and private memory."""

    at_ns: int
    cpu_seconds: float
    private_kb: int
    """Pages that only these processes have and that the kernel cannot simply drop. Mapped media
    is not among them: it is the page cache, shared by all."""


def read_usage(*pids: int) -> Usage:
    """The sum over `pids`; raises `OSError` when one of them has gone."""
    cpu = sum(_cpu_seconds(pid) for pid in pids)
    return Usage(clock.monotonic_ns(), cpu, sum(_private_kb(pid) for pid in pids))


def _cpu_seconds(pid: int) -> float:
    # The name may hold spaces and brackets, so count from behind the last one (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _private_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    return 0


def read_from_disk(pid: int) -> int:
    """Bytes that were read from disks for a process, its mapped files and read-ahead included."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("read_bytes:"):
            return int(line.split()[1])
    return 0
