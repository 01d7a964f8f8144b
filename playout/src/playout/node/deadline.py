"""Until when a pump may send, in memory that control writes and the pump reads at each tick.

It lies in a mapped file, so it needs no message, and it keeps its meaning when control dies: the
clock is CLOCK_BOOTTIME, which goes on while the machine sleeps and is the same for all processes.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

_LAYOUT = struct.Struct("<QQ")


def mapped(path: Path, size: int) -> mmap.mmap:
    """The first `size` bytes of `path`, which is made when it is missing.

    All of it has its place on the disk: a hole gets one when it is written to, and where there is
    none left the kernel ends the process that writes. Raises OSError instead.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        status = os.fstat(descriptor)
        if status.st_size < size or 512 * status.st_blocks < size:
            os.posix_fallocate(descriptor, 0, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


class Deadline:
    """A shared instant in boot-time nanoseconds, and until when it may be overrun."""

    def __init__(self, path: Path) -> None:
        """Map `path`, which is made when it is missing; a fresh one forbids sending."""
        self.path = path
        self._map = mapped(path, _LAYOUT.size)
        self._words = memoryview(self._map).cast("Q")

    @property
    def until_ns(self) -> int:
        """Boot-time nanoseconds until which the pump may send."""
        return self._words[0]

    @property
    def hold_until_ns(self) -> int:
        """Until when the pump may overrun that, since nobody else can take over; 0 for not."""
        return self._words[1]

    def extend(self, until_ns: int) -> None:
        """Allow sending until `until_ns`; never shortens."""
        if until_ns > self._words[0]:
            self._words[0] = until_ns

    def begin(self, until_ns: int) -> None:
        """Forget the instant so far, which another boot of the machine may have left."""
        self._words[0] = until_ns

    def hold(self, until_ns: int) -> None:
        """Let the pump overrun its deadline until `until_ns`, or no longer (0)."""
        self._words[1] = until_ns

    def allows(self, now_ns: int) -> bool:
        """Whether the pump may send at boot-time `now_ns`."""
        return now_ns < self._words[0] or now_ns < self._words[1]
