"""Whom to suspect when a pump has crashed: pure judgement of what it left behind.

A fatal signal writes the stack of the thread that it struck. Only a thread that had media in hand
can have died of it: a signal from outside that finds the pump waiting, out of memory or not,
accuses nobody. Which tracks were in hand stands in the journal.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

_CURRENT = re.compile(r"^Current thread 0x[0-9a-f]+")
_FRAME = re.compile(r'^  File "(?P<file>.*)", line \S+ in (?P<function>\S+)')
_MEDIA = ("/playout/pump/", "/playout/tracks/")
_READER = "/playout/pump/prefetch.py"
_SENDER = "/playout/publisher/session.py"
_SENDING = frozenset(("_send", "_on_writable"))
"""Where a session hands slices of tracks to the kernel."""


class Struck(enum.Enum):
    """What the thread was doing that a fatal signal struck."""

    SENDING = "sending"
    READING = "reading"
    """Verifying blocks ahead of time, in a thread of its own."""
    ELSEWHERE = "elsewhere"
    """It waited, or did something that touches no media."""


@dataclass(frozen=True, slots=True)
class InHand:
    """What a journal says of a pump that is gone; tracks are named by their directories."""

    output_id: str = ""
    """The output that was served last; empty for none."""
    lanes: tuple[str, ...] = ()
    """The tracks that it was sending."""
    proven: frozenset[str] = frozenset()
    """Those of them that have been on this pump before, from their beginning to their end."""
    opened: tuple[str, ...] = ()
    """Tracks that were opened since the output's turn began; they are touched first."""
    reading: tuple[str, ...] = ()
    """Tracks that were being verified ahead of time."""


def struck(dump: str) -> Struck:
    """What the thread was doing that wrote `dump`."""
    found = Struck.ELSEWHERE
    for file, function in _frames(dump):
        if file.endswith(_READER) and function == "_run":
            return Struck.READING
        if any(part in file for part in _MEDIA) or (
            file.endswith(_SENDER) and function in _SENDING
        ):
            found = Struck.SENDING
    return found


def suspects(dump: str, hand: InHand) -> tuple[str, ...]:
    """The tracks of which one may have brought the pump down; empty when none can have.

    One crash may leave several: the next one tells them apart, since only what is suspected each
    time is held to be the cause.
    """
    match struck(dump):
        case Struck.READING:
            return hand.reading
        case Struck.ELSEWHERE:
            return ()
        case Struck.SENDING:
            if hand.opened:
                return hand.opened
            # A loop that has been round under one song after another is not what kills.
            return tuple(t for t in hand.lanes if t not in hand.proven) or hand.lanes


def _frames(dump: str) -> Iterator[tuple[str, str]]:
    """File and function of each frame of the thread that was struck, innermost first."""
    lines = iter(dump.splitlines())
    for line in lines:
        if _CURRENT.match(line):
            break
    for line in lines:
        frame = _FRAME.match(line)
        if frame is None:
            return
        yield frame["file"], frame["function"]
