"""Lines to a terminal, file or pipe that never keep the loop waiting.

Whoever reads our standard output may stop reading, and a write to a full pipe blocks. So a thread
writes; what it cannot keep up with is left out, and counted.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import unicodedata
from collections import deque
from collections.abc import Callable
from itertools import accumulate


def printable(text: str) -> str:
    """`text` without what would steer a terminal, end the line or not encode; for file names."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def shortened(text: str, columns: int) -> str:
    """`text`, or its beginning and "…" when it needs more than so many columns of a terminal."""
    widths = [
        0 if unicodedata.combining(mark) else 1 + (unicodedata.east_asian_width(mark) in "WF")
        for mark in text
    ]
    if sum(widths) <= columns:
        return text
    kept = sum(reached < columns for reached in accumulate(widths))
    return text[:kept] + "…"


MOST_WAITING = 1000
"""Lines; the oldest are left out first."""


def _left_out(count: int) -> str:
    return f"{count} lines were left out here: nobody read them in time.\n"


class LineWriter:
    """Writes to `descriptor` in a thread of its own, which begins with the first line.

    `notice` makes the line that stands for so many that were left out. A descriptor that is gone
    swallows everything.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        most: int = MOST_WAITING,
        notice: Callable[[int], str] = _left_out,
    ) -> None:
        self._descriptor = descriptor
        self._notice = notice
        self._most = most
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._is_idle = True
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        """Write `text`, with the end of its line, sooner or later; returns at once."""
        with self._changed:
            if self._thread is None:
                name = f"lines to {self._descriptor}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
            if len(self._waiting) >= self._most:
                self._waiting.popleft()
                self._left_out += 1
            self._waiting.append(text)
            self._is_idle = False
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until all is written, at most so long; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_idle, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._is_idle = True
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._waiting)
                lost, self._left_out = self._left_out, 0
                text = self._waiting.popleft()
            self._write((self._notice(lost) if lost else "") + text)

    def _write(self, text: str) -> None:
        data = memoryview(text.encode(errors="replace"))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BlockingIOError:
            # Somebody else has made it non-blocking, and it is full: as good as left out.
            with self._changed:
                self._left_out += 1
        except OSError:
            return


_FLUSH_SECONDS = 1.0


class LineHandler(logging.Handler):
    """Log records as lines of a `LineWriter`; a process that ends waits a second for them."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        try:
            self._writer.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001 - logging must not raise
            self.handleError(record)

    def flush(self) -> None:
        """See `logging.Handler`."""
        self._writer.flush(_FLUSH_SECONDS)


def never_wait_for_stderr() -> None:
    """Let the root logger's handlers that write to standard error do so without waiting.

    Their levels, formatters and filters stay. For a process whose loop others depend on.
    """
    root = logging.getLogger()
    for old in list(root.handlers):
        if type(old) is logging.StreamHandler and old.stream is sys.stderr:
            new = LineHandler(LineWriter(sys.stderr.fileno()))
            new.setLevel(old.level)
            new.setFormatter(old.formatter)
            for each in old.filters:
                new.addFilter(each)
            root.removeHandler(old)
            root.addHandler(new)
