"""Counts cache failures that were ignored, and keeps them from filling the log."""

from __future__ import annotations

import logging
import threading
import time

from prometheus_client import Counter

failures = Counter("cache_failures", "Cache operations that failed and were ignored.")


class CountFailures(logging.Filter):
    """Counts each record and lets one a second pass, with the number of those held back."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._last_ns = 0
        self._held_back = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """True when the record should be written."""
        failures.inc()
        now_ns = time.monotonic_ns()
        with self._lock:
            if self._last_ns and now_ns - self._last_ns < 1_000_000_000:
                self._held_back += 1
                return False
            held_back, self._held_back, self._last_ns = self._held_back, 0, now_ns
        cause = record.exc_info[1] if record.exc_info else None
        record.exc_info = record.exc_text = None
        record.msg, record.args = (
            "The cache cannot be reached; going on without it (%s, %d more held back).",
            (cause.__class__.__name__, held_back),
        )
        return True
