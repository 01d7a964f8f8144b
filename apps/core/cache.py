"""What the cache keeps, and what happens when it cannot be reached."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Generic, TypeVar

from django.core.cache import cache
from django.db import transaction
from prometheus_client import Counter

Value = TypeVar("Value")

KEPT_SECONDS = 3600

failures = Counter("cache_failures", "Cache operations that failed and were ignored.")


class Remembered(Generic[Value]):
    """Something that costs a large query and belongs to one owner, such as the sums of a workspace.

    It is kept for an hour, and forgotten when whoever changes the rows calls `forget`. `work_out`
    is called when nothing is known, and always while the cache is out of reach.
    """

    def __init__(self, name: str, work_out: Callable[[uuid.UUID], Value]) -> None:
        self._name = name
        self._work_out = work_out

    def of(self, owner: uuid.UUID) -> Value:
        """The value of `owner`; at most an hour older than what was last told to `forget`."""
        # Values lie under an edition: one that was worked out before a change and is written after
        # it lands under an edition that nobody asks for any more.
        edition = cache.get(self._edition(owner))
        if edition is None:
            edition = uuid.uuid4().hex
            cache.set(self._edition(owner), edition, KEPT_SECONDS)
        key = f"{self._name}:{owner}:{edition}"
        found: tuple[Value] | None = cache.get(key)
        if found is None:
            found = (self._work_out(owner),)
            cache.set(key, found, KEPT_SECONDS)
        return found[0]

    def forget(self, owner: uuid.UUID) -> None:
        """What `of` says of `owner` is out of date, once the present transaction is committed."""
        transaction.on_commit(
            lambda: cache.set(self._edition(owner), uuid.uuid4().hex, KEPT_SECONDS)
        )

    def _edition(self, owner: uuid.UUID) -> str:
        return f"{self._name}:{owner}"


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
