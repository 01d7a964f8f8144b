"""What went on air in place of what, and when: pure data, in frames since the epoch."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from playout.errors import PlayoutError
from playout.media import TrackKind


class Rung(enum.Enum):
    """What fills the place of something that cannot be played, best first."""

    NEXT = "next"
    """The item that comes next, from its top."""
    FILLER = "filler"
    LAST = "last"
    """What could be played last, from its top."""
    SLATE = "slate"
    ANY = "any"
    """Some other item of the programme."""
    HELD = "held"
    """What was on went on until the new item could be entered at a key frame."""
    SILENCE = "silence"
    """No sound at all (sound only)."""


@dataclass(frozen=True, slots=True)
class Substitution:
    """Something else goes on air than the programme says; told when it begins."""

    kind: TrackKind
    item_id: str
    """What cannot be played."""
    title: str
    error: PlayoutError
    """Why."""
    rung: Rung
    filled_by: str
    """Id of what goes on air; empty for silence."""
    begin: int
    """First frame of the substitute, on the grid of its kind."""
    end: int
    """Where the programme goes on at the latest, for all that is known now."""


@dataclass(frozen=True, slots=True)
class Aired:
    """One stretch that was sent; told when something else begins."""

    kind: TrackKind
    item_id: str
    """What the programme said; for a card, the item under it."""
    title: str
    begin: int
    end: int
    """First frame that no longer belongs to it."""
    rung: Rung | None = None
    """None when it was what the programme said."""
    filled_by: str = ""
    cause: str = ""
    """Code of the error that brought the substitute."""
    card: str = ""
    """Title of the card that was shown."""
    place: int = 0
    """Where the programme has the beginning of the item, on the same grid."""
