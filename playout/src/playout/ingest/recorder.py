"""Writes what a session sends to an FLV file, as it comes."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

from playout.rtmp import flv

_FLAGS_AT = 4


class Recorder:
    """One file of one session; each `write` reaches the operating system before it returns.

    All methods block on the disk, and may be called from different threads.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """Open the first free `name`-N.flv in `directory`. Raises `OSError`."""
        # A cancelled caller cannot take its thread along: `close` waits for a write under way.
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            self.path = directory / f"{name}-{number}.flv"
            try:
                self._file = self.path.open("xb", buffering=0)
            except FileExistsError:
                continue
            break
        try:
            self._file.write(flv.file_header())
        except OSError:
            self._file.close()
            raise

    def write(self, tags: bytes) -> None:
        """Append whole tags. Raises `OSError`; the file then ends where it ended before."""
        view = memoryview(tags)
        with self._lock:
            if self._file.closed:
                return
            end = self._file.tell()
            try:
                while view:
                    view = view[self._file.write(view) :]
            except OSError:
                self._file.truncate(end)
                self._file.seek(end)
                raise

    def close(self, *, has_audio: bool, has_video: bool) -> None:
        """Say in the header what came, and close. Raises `OSError`; the file is closed anyway."""
        with self._lock, self._file:
            self._file.seek(_FLAGS_AT)
            self._file.write(
                flv.file_header(has_audio=has_audio, has_video=has_video)[_FLAGS_AT : _FLAGS_AT + 1]
            )
