"""Shows: wished, and brought one step nearer to what is wished at each look.

`advance` may be called at any time, by anybody, as often as one likes: it holds a lease of the row,
writes down what it is about to ask, asks, and says when to look again. An answer that got lost is
never asked for twice before reads have shown that nothing happened.
"""

from apps.youtube.services.shows.advancing import BUSY, advance
from apps.youtube.services.shows.keys import keep_key, note_ingest
from apps.youtube.services.shows.look import encoder_of, encoders_of, waits
from apps.youtube.services.shows.wishes import (
    change,
    describe,
    end,
    follow,
    forget,
    go_live,
    picture,
    subject_started,
    wake,
)

__all__ = [
    "BUSY",
    "advance",
    "change",
    "describe",
    "encoder_of",
    "encoders_of",
    "end",
    "follow",
    "forget",
    "go_live",
    "keep_key",
    "note_ingest",
    "picture",
    "subject_started",
    "waits",
    "wake",
]
