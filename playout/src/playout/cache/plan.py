"""Which blocks are due when, which to fetch next, and which may go: pure decisions.

A block is one of a track's equal parts; number `INDEX` stands for the track's index, which comes
before all of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from playout.timebase import convert_frames, frame_at_ns, frame_ns
from playout.timeline.programme import Programme
from playout.timeline.resolve import linked_sound, placement_at, sound_at

INDEX = -1

GUARANTEED_NS = 3600 * 10**9
"""What is due within this time is never evicted."""
WANTED_NS = 6 * 3600 * 10**9
"""So far ahead blocks are fetched, where there is room."""
_MAX_PLACEMENTS = 5000

Block = tuple[str, int]
"""Track and number of the block."""


class Shape(Protocol):
    """Where the messages of a track lie."""

    @property
    def offsets(self) -> Sequence[int]:
        """Byte offset of each message, and the end of the last one."""
        ...

    @property
    def block_bytes(self) -> int:
        """Bytes of one block."""
        ...


@dataclass(frozen=True, slots=True)
class Need:
    """A block, and the UTC nanosecond at which it is first due on air."""

    track: str
    block: int
    due_ns: int


ShapeOf = Callable[[str], Shape | None]


def needs(programme: Programme, shape_of: ShapeOf, *, now_ns: int, until_ns: int) -> Iterator[Need]:
    """The blocks that the programme sends between two instants, roughly in the order of need.

    A track whose shape is not known needs its index first. A block that comes round again is
    named once, for its first time.
    """
    seen: set[Block] = set()
    for track, first, end, rate, begin in _stretches(programme, now_ns, until_ns):
        shape = shape_of(track)
        if shape is None:
            found: Iterable[Need] = (Need(track, INDEX, _instant(programme, begin, rate)),)
        else:
            found = _blocks(programme, track, shape, first, end, rate, begin)
        for need in found:
            if (need.track, need.block) not in seen:
                seen.add((need.track, need.block))
                yield need


def _instant(programme: Programme, frame: int, rate: Fraction) -> int:
    return programme.epoch_ns + frame_ns(frame, rate)


def _stretches(
    programme: Programme, now_ns: int, until_ns: int
) -> Iterator[tuple[str, int, int, Fraction, int]]:
    """Track, its first message and the end, messages per second, and the first one's place in the
    programme's own count."""
    video, audio = programme.video_rate, programme.audio_rate
    frame = max(0, frame_at_ns(now_ns - programme.epoch_ns, video))
    last = frame_at_ns(until_ns - programme.epoch_ns, video)
    known: set[tuple[str, int, int]] = set()
    repeated, final = 0, programme.versions[-1]
    # Two cycles without anything new: all that follows was named already.
    cycle = 2 * sum(item.weight for item in final.items)
    for _ in range(_MAX_PLACEMENTS):
        placement = placement_at(programme, frame) if frame <= last else None
        if placement is None or repeated > cycle:
            break
        first, end = frame - placement.start, min(placement.end, last + 1) - placement.start
        whole = (placement.item.id, first, end)
        repeated = repeated + 1 if whole in known and placement.version == final.n else 0
        known.add(whole)
        yield placement.item.video, first, end, video, frame
        if not programme.sound_versions:
            sound = linked_sound(programme, placement)
            # A frame more on either side: rounding decides the join.
            begin = max(sound.begin, convert_frames(frame, video, audio) - 1)
            stop = min(sound.end, convert_frames(last + 1, video, audio) + 1)
            yield sound.audio, begin - sound.start, stop - sound.start, audio, begin
        frame = placement.end
    if programme.sound_versions:
        frame = max(0, frame_at_ns(now_ns - programme.epoch_ns, audio))
        last = frame_at_ns(until_ns - programme.epoch_ns, audio)
        for _ in range(_MAX_PLACEMENTS):
            own = sound_at(programme, frame) if frame <= last else None
            if own is None:
                break
            stop = min(own.end, last + 1)
            yield own.audio, frame - own.start, stop - own.start, audio, frame
            frame = own.end
    for card in programme.cards:
        begin = max(card.begin, frame_at_ns(now_ns - programme.epoch_ns, video))
        end = min(card.end, frame_at_ns(until_ns - programme.epoch_ns, video) + 1)
        if begin < end:
            first = card.at + begin - card.begin
            yield card.video, first, first + end - begin, video, begin
    # What fills in for a missing item is needed at no certain time, and soon when it is.
    begin = frame_at_ns(now_ns + GUARANTEED_NS // 2 - programme.epoch_ns, video)
    for item in programme.filler:
        yield item.video, 0, item.frames, video, begin
        yield (
            item.audio,
            0,
            convert_frames(item.frames, video, audio),
            audio,
            convert_frames(begin, video, audio),
        )


def _blocks(
    programme: Programme, track: str, shape: Shape, first: int, end: int, rate: Fraction, begin: int
) -> Iterator[Need]:
    offsets, size = shape.offsets, shape.block_bytes
    messages = len(offsets) - 1
    first, end = min(first, messages - 1), min(end, messages)
    if first >= end:
        return
    for block in range(offsets[first] // size, (offsets[end] - 1) // size + 1):
        # The message that first touches the block.
        message = max(first, bisect_right(offsets, block * size) - 1)
        yield Need(track, block, _instant(programme, begin + message - first, rate))


def earliest(wanted: Iterable[Iterable[Need]]) -> dict[Block, int]:
    """When each block is first due, over all programmes."""
    found: dict[Block, int] = {}
    for each in wanted:
        for need in each:
            block = (need.track, need.block)
            if block not in found or need.due_ns < found[block]:
                found[block] = need.due_ns
    return found


def next_block(
    due: Mapping[Block, int], here: Collection[Block], waiting: Collection[Block]
) -> Block | None:
    """The block to fetch now: of those neither here nor waiting, the one that is due first."""
    return min(
        (block for block in due if block not in here and block not in waiting),
        key=lambda block: (due[block], block),
        default=None,
    )


def victims(
    here: Mapping[Block, int],
    due: Mapping[Block, int],
    *,
    count: int,
    wanted_ns: int,
    now_ns: int,
) -> list[Block]:
    """Up to `count` blocks to give up for one that is due at `wanted_ns`.

    `here` says when each was last needed. First go those that no programme needs, the longest
    unneeded ones first; then those that are due last, and only when that is after `wanted_ns` and
    beyond the guaranteed hour.
    """
    idle = sorted((last, block) for block, last in here.items() if block not in due)
    chosen = [block for _, block in idle[:count]]
    limit = max(wanted_ns, now_ns + GUARANTEED_NS)
    later = sorted(
        ((due[block], block) for block in here if block in due and due[block] > limit), reverse=True
    )
    return chosen + [block for _, block in later[: count - len(chosen)]]


def horizon_seconds(due: Iterable[Need], here: Collection[Block], *, now_ns: int) -> float:
    """Seconds from now until the first block that is not here; `WANTED_NS` when all are."""
    missing = [need.due_ns for need in due if (need.track, need.block) not in here]
    return max(0.0, (min(missing, default=now_ns + WANTED_NS) - now_ns) / 1e9)
