"""Somebody who watches a stream: a bounded queue of FLV bytes."""

from __future__ import annotations

import asyncio
from collections import deque


class Viewer:
    """Filled by the stream, emptied by the connection; dropped when full, so others never wait."""

    def __init__(self, *, max_bytes: int) -> None:
        self.has_begun = False
        self.is_too_slow = False
        self._max_bytes = max_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._has_ended = False
        self._something = asyncio.Event()

    def begin(self, opening: bytes) -> None:
        """The first bytes; they do not count against the limit."""
        self.has_begun = True
        self._waiting.append(opening)
        self._something.set()

    def put(self, tag: bytes) -> None:
        """One more tag. Ends the viewer when more than the limit waits."""
        if self._has_ended:
            return
        self._waiting_bytes += len(tag)
        if self._waiting_bytes > self._max_bytes:
            self.is_too_slow = True
            self._waiting.clear()
            self.end()
            return
        self._waiting.append(tag)
        self._something.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._has_ended = True
        self._something.set()

    async def next(self) -> bytes:
        """All that waits, as soon as there is something; empty at the end."""
        while not self._waiting and not self._has_ended:
            self._something.clear()
            await self._something.wait()
        found = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return found
