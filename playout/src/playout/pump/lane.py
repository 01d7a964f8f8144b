"""One kind of track of one session: which message comes next, and at what time."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from typing import NamedTuple

from playout.media import TrackKind
from playout.timebase import frame_ms
from playout.timeline.splice import join_deltas
from playout.tracks import packetiser
from playout.tracks.reader import NONE_MISSING, Track

Buffer = bytes | memoryview

_CARRIED_MS = 3
"""A delta that is off by more is a real gap."""


class _Left(NamedTuple):
    """Messages `first` up to `end` of a track whose message 0 fell on frame `start`."""

    track: Track
    start: int
    base_ms: int
    first: int
    end: int


class Lane:
    """Pictures or sound: a cursor in one track at a time, and a clock of deltas of its own.

    `origin_ms` is the time of frame 0 of the lane: sound begins when the first picture is shown.
    """

    __slots__ = (
        "_denominator", "_numerator", "base_ms", "cadence", "end", "end_ms", "first", "header",
        "kind", "last_ms", "late", "left", "missing", "next", "origin_ms", "patches", "prelude",
        "rate", "retimed", "start", "stop", "track",
    )  # fmt: skip

    def __init__(self, kind: TrackKind, rate: Fraction, origin_ms: int) -> None:
        self.kind = kind
        self.rate = rate
        self.origin_ms = origin_ms
        self._numerator, self._denominator = rate.numerator, 2000 * rate.denominator
        low = 1000 * rate.denominator // rate.numerator
        self.cadence = (low, low if 1000 * rate.denominator % rate.numerator == 0 else low + 1)
        self.track: Track | None = None
        self.header = b""
        """The codec header that the receiver has."""
        self.prelude: tuple[bytes, bytes] | None = None
        """A sequence header that goes out before the next message, and what it carries."""
        self.start = self.end = 0
        self.first = self.next = self.stop = 0
        self.base_ms = self.end_ms = 0
        self.last_ms: int | None = None
        self.late = 0
        """Milliseconds by which what was sent last is behind `last_ms`, after the patches."""
        self.patches: dict[int, int] = {}
        self.retimed: dict[int, bytes] = {}
        """Heads, up to their composition times, of pictures that would be shown behind the end of
        the stretch. They are made when it is known: by the time they are sent, the file may be
        shorter."""
        self.left: _Left | None = None
        """What was taken of the stretch before this one."""
        self.missing: frozenset[int] = NONE_MISSING
        """The missing blocks of the track when somebody last looked."""

    @property
    def at(self) -> int:
        """The frame since the epoch that comes next."""
        return self.start + self.next

    def enter(self, track: Track, start: int, begin: int, end: int) -> None:
        """Go on with `track`, whose message 0 falls on frame `start`, from `begin` to `end`."""
        self._leave()
        timestamps = track.timestamps
        self.track = track
        self.missing = track.blocks.missing
        self.start = start
        self.first = self.next = min(begin - start, track.frames)
        self.base_ms = self.origin_ms + frame_ms(start, self.rate)
        self.prelude = None
        self.patches = {}
        self.resize(end)
        if self.next >= self.stop:
            return
        due = self.base_ms + timestamps[self.next]
        if self.last_ms is None:
            # The session opens with a sequence header at this very time.
            self.last_ms = due
            self.header = track.description.codec_header
        delta = max(0, due - self.last_ms - self.late)
        self.late = 0
        header = track.description.codec_header
        if header != self.header:
            body = packetiser.sequence_header(self.kind, header)
            self.prelude = packetiser.chunks(self.kind, delta, body), header
            delta = 0
        if delta:
            self.patches = join_deltas(
                timestamps, self.next, self.stop, delta, cadence=self.cadence
            )
            low, high = self.cadence
            if len(self.patches) == 1 and low - _CARRIED_MS <= delta <= high + _CARRIED_MS:
                # Too short to give a millisecond back: the next join will.
                kept = min(max(delta, low), high)
                self.patches[self.next] = kept
                self.late = kept - delta
        else:
            self.patches = {self.next: 0}

    def resize(self, end: int) -> None:
        """Let the stretch in hand end before frame `end`, but after what was taken of it."""
        frames = self.track.frames if self.track is not None else 0
        self.end = end
        self.stop = max(self.next, min(end - self.start, frames))
        self.end_ms = self.origin_ms + frame_ms(end, self.rate)
        self.retimed = self._retimed()

    def _retimed(self) -> dict[int, bytes]:
        """What to do with the last pictures when a group is cut short.

        Pictures are sent in the order of decoding. Of a group that ends too soon, one or two would
        be shown after others that never come, at times that belong to what follows: they take the
        places that are empty.
        """
        track, stop = self.track, self.stop
        if (
            self.kind is not TrackKind.VIDEO
            or track is None
            or not self.next < stop < track.frames
            or not track.is_intact()
            or track.is_key(stop)
        ):
            return {}
        reorder, key = track.description.reorder_frames, track.key_at_or_before(stop)
        shown = {
            message: round((track.timestamps[message] + composition) * self.rate / 1000) - reorder
            for message in range(max(key, stop - 3 * (reorder + 1)), stop)
            if (composition := track.composition_ms(message)) is not None
        }
        taken = set(shown.values())
        late = sorted((m for m in shown if shown[m] >= stop), key=lambda m: shown[m])
        empty = [place for place in range(max(key, stop - reorder - 1), stop) if place not in taken]
        return {
            message: track.retimed_head(
                message, frame_ms(place + reorder, self.rate) - track.timestamps[message]
            )
            for message, place in zip(late, empty, strict=False)
            if message >= self.next
        }

    def pause(self, begin: int, end: int) -> None:
        """Have nothing to send from `begin` to `end`."""
        self._leave()
        self.track = None
        self.prelude = None
        self.patches, self.retimed = {}, {}
        self.start, self.first, self.next, self.stop = begin, 0, 0, 0
        self.end = end
        self.end_ms = self.origin_ms + frame_ms(end, self.rate)

    def _leave(self) -> None:
        self._settle()
        if self.track is not None and self.next > self.first:
            self.left = _Left(self.track, self.start, self.base_ms, self.first, self.next)

    def taken(self, from_ms: int, until_ms: int) -> list[tuple[int, int]] | None:
        """Frame and bytes of each message that was taken and is due in that time, in order.

        None when everything taken that is still known is later.
        """
        found: list[tuple[int, int]] = []
        is_known = False
        stretches = [self.left] if self.left is not None else []
        if self.track is not None and self.next > self.first:
            stretches.append(_Left(self.track, self.start, self.base_ms, self.first, self.next))
        for track, start, base_ms, first, end in stretches:
            if not track.is_intact():
                continue
            times, offsets = track.timestamps, track.offsets
            is_known = is_known or base_ms + times[first] < until_ms
            begin = bisect_left(times, from_ms - base_ms, first, end)
            last = bisect_left(times, until_ms - base_ms, first, end)
            found += [(start + n, offsets[n + 1] - offsets[n]) for n in range(begin, last)]
        return found if is_known else None

    def _settle(self) -> None:
        """A millisecond that a join borrowed and was cut off from giving back is still owed."""
        if self.track is None or self.last_ms is None or self.next == self.first:
            return
        timestamps = self.track.timestamps
        for message, step in self.patches.items():
            if message >= self.next:
                self.last_ms -= step - (timestamps[message] - timestamps[message - 1])

    def _head(self, delta: int) -> bytes:
        return packetiser.delta_head(self.kind, delta)

    @property
    def steps(self) -> tuple[int, int, int]:
        """Three numbers n, d and z that say how many messages are due before `ms`.

        It is -(n (z - 2 ms) // d): `timebase.frame_ms` turned round, counted from message 0.
        """
        return self._numerator, self._denominator, 1 + 2 * self.base_ms

    def index_at(self, until_ms: int) -> int:
        """The first message that is not due before `until_ms`, within this placement."""
        zero = 1 + 2 * self.base_ms
        message = -(self._numerator * (zero - 2 * until_ms) // self._denominator)
        if message > self.stop:
            return self.stop
        return message if message > self.next else self.next

    def emit(self, end: int, out: list[Buffer]) -> None:
        """Append the slices of messages up to `end` to `out`, patched where a join needs it."""
        track = self.track
        if track is None:
            return
        if self.prelude is not None:
            message, self.header = self.prelude
            out.append(message)
            self.prelude = None
        offsets, data = track.offsets, track.data
        at = offsets[self.next]
        if self.patches or self.retimed:
            for patched in sorted(m for m in {**self.patches, **self.retimed} if m < end):
                begin = offsets[patched]
                if begin > at:
                    out.append(data[at:begin])
                head, delta = self.retimed.pop(patched, b""), self.patches.pop(patched, None)
                if delta is not None:
                    head = self._head(delta) + head[packetiser.PATCH_BYTES :]
                out.append(head)
                at = begin + len(head)
        out.append(data[at : offsets[end]])
        self.last_ms = self.base_ms + track.timestamps[end - 1]
        self.next = end
