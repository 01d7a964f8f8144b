"""What one output really sent, item by item: pure bookkeeping over what its feeds tell."""

from __future__ import annotations

from collections import deque

from playout.pump import aired
from playout.supervisor.ports import Aired

MAX_ROWS = 500
LONGEST_LOOP_SECONDS = 24 * 3600
"""A loop of one item is one row for so long, and then another one."""
_MAX_CAUSES = 100
_MAX_CUT = 16
"""Rows of a session that can still turn out not to have arrived, or not wholly."""


class AsRun:
    """Rows of one output, oldest first: one for each stretch of an item that was aired alike.

    An item that follows itself, such as a still picture or the loop of a radio channel, goes on in
    the same row until that has `longest_loop` pictures: thousands of equal rows say no more.
    `sent` is told of stretches of pictures, those that are over and the one that is on; `stop` of
    the end of a session. A row is told when it begins (without an end) and when it is over.
    """

    def __init__(self, longest_loop: int = LONGEST_LOOP_SECONDS * 60) -> None:
        self._longest_loop = longest_loop
        self._stretch: aired.Aired | None = None
        """What is on, from the beginning of its row to where it has come."""
        self._row: Aired | None = None
        self._over: deque[Aired] = deque(maxlen=_MAX_CUT)
        """Rows of this session that are over."""
        self._causes: dict[str, str] = {}
        self._rows: deque[Aired] = deque(maxlen=MAX_ROWS)
        self._told: deque[int] = deque(maxlen=_MAX_CUT)
        """Where rows begin that were told last."""

    def sent(self, stretch: aired.Aired) -> None:
        """Pictures up to `stretch.end` were given to the connection."""
        has = self._stretch
        if has is not None and self._goes_on(has, stretch):
            self._stretch = has if stretch.end <= has.end else stretch
            return
        self._close()
        cause = self._causes.pop(stretch.item_id, "") or stretch.cause
        self._stretch = stretch
        self._row = Aired(stretch.item_id, stretch.title, stretch.begin, None, cause)
        self._rows.append(self._row)

    def deviate(self, item_id: str, cause: str) -> None:
        """Something of the item's row is replaced, such as its sound; `cause` is an error's code.

        It counts for the row that is on, or else for the next one of that item.
        """
        has = self._row
        if has is not None and has.item_id == item_id:
            self._row = Aired(has.item_id, has.title, has.start_frame, None, has.cause or cause)
            self._rows.append(self._row)
        else:
            self._causes[item_id] = cause
            if len(self._causes) > _MAX_CAUSES:
                del self._causes[next(iter(self._causes))]

    def stop(self, frame: int, cause: str) -> None:
        """The session ended: of what was sent, nothing from `frame` on has arrived.

        `cause` is the code of the error that ended it; empty when that was wanted.
        """
        self._close()
        for row in self._over:
            end = row.end_frame
            if end is not None and end > frame:
                end = max(frame, row.start_frame)
                told = Aired(row.item_id, row.title, row.start_frame, end, row.cause or cause)
                self._rows.append(told)
        if cause and self._over and self._over[-1].end_frame == frame:
            last = self._over[-1]
            self._rows.append(
                Aired(last.item_id, last.title, last.start_frame, frame, last.cause or cause)
            )
        self._over.clear()

    def take(self) -> tuple[Aired, ...]:
        """The rows that are new or changed since the last call."""
        rows = {row.start_frame: row for row in self._rows}
        for start in [start for start, row in rows.items() if row.end_frame == start]:
            # Nothing of it arrived, and nobody has heard of it.
            if start not in self._told:
                del rows[start]
        self._rows.clear()
        self._told.extend(rows)
        return tuple(rows[start] for start in sorted(rows))

    def _goes_on(self, has: aired.Aired, stretch: aired.Aired) -> bool:
        """Whether a stretch belongs to the row that is on: cards over an item do not divide it."""
        if (has.item_id, has.cause) != (stretch.item_id, stretch.cause) or stretch.begin > has.end:
            return False
        begin = has.begin if self._row is None else self._row.start_frame
        return has.place == stretch.place or stretch.begin - begin < self._longest_loop

    def _close(self) -> None:
        has, stretch = self._row, self._stretch
        if has is not None and stretch is not None:
            row = Aired(has.item_id, has.title, has.start_frame, stretch.end, has.cause)
            self._rows.append(row)
            self._over.append(row)
        self._row = self._stretch = None
