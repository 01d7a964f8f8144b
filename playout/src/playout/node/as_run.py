"""What one output really sent, item by item: pure bookkeeping over the clock's placements."""

from __future__ import annotations

from collections import deque

from playout.supervisor.ports import Aired
from playout.timeline.programme import Programme
from playout.timeline.resolve import placement_at

MAX_ROWS = 500
_MAX_STEPS = 200


class AsRun:
    """Rows of one output, oldest first.

    While it is on air, `advance` opens and closes rows along the programme; `stop` closes the open
    row when the session ends. A row is told when it opens (without an end) and when it closes.
    """

    def __init__(self) -> None:
        self._open: Aired | None = None
        self._open_until = 0
        self._causes: dict[str, str] = {}
        self._rows: deque[Aired] = deque(maxlen=MAX_ROWS)

    def advance(self, programme: Programme, frame: int) -> None:
        """The output is on air at `frame` of the programme."""
        for _ in range(_MAX_STEPS):
            if self._open is not None:
                if frame < self._open_until:
                    return
                begin = self._open_until
                self._close(begin)
            else:
                begin = frame
            placement = placement_at(programme, begin)
            if placement is None:
                return
            cause = self._causes.pop(placement.item.id, "")
            self._open = Aired(placement.item.id, placement.item.title, begin, None, cause)
            self._open_until = placement.end
            self._rows.append(self._open)

    def deviate(self, item_id: str, cause: str) -> None:
        """The item is replaced by something else; `cause` is the error's code."""
        has = self._open
        if has is not None and has.item_id == item_id:
            self._open = Aired(has.item_id, has.title, has.start_frame, None, cause)
            self._rows.append(self._open)
        else:
            self._causes[item_id] = cause

    def cut(self, frame: int) -> None:
        """The programme was changed: what follows `frame` may be another item."""
        self._open_until = min(self._open_until, max(frame, self._start()))

    def stop(self, frame: int, cause: str) -> None:
        """The session ended at about `frame`; `cause` is empty when that was wanted."""
        has = self._open
        if has is not None:
            self._open = Aired(has.item_id, has.title, has.start_frame, None, has.cause or cause)
            self._close(max(min(frame, self._open_until), has.start_frame))

    def take(self) -> tuple[Aired, ...]:
        """The rows that are new or changed since the last call."""
        rows = {row.start_frame: row for row in self._rows}
        self._rows.clear()
        return tuple(rows.values())

    def _start(self) -> int:
        return self._open.start_frame if self._open is not None else 0

    def _close(self, end: int) -> None:
        has = self._open
        if has is not None:
            self._rows.append(Aired(has.item_id, has.title, has.start_frame, end, has.cause))
        self._open = None
