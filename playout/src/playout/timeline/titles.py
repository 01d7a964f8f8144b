"""Which groups of the loop should carry which title, for now-playing cards of radio mode.

A card replaces whole groups of pictures of the loop. The windows found here say what to encode;
those that are ready become the cards of the programme. A short loop brings the same windows again
and again: equal `work` needs to be encoded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from playout.timebase import convert_frames
from playout.timeline.edits import gop_frames
from playout.timeline.programme import Card, Programme
from playout.timeline.resolve import placement_at, sound_at

CARD_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Work:
    """Groups of one clip that have to carry one title."""

    video: str
    """Directory of the clip, as the programme calls it."""
    group: int
    """Number of the first group."""
    frames: int
    """Pictures from there; whole groups, but for the end of the clip."""
    title: str


@dataclass(frozen=True, slots=True)
class Window:
    """Where on the time line some work is shown."""

    begin: int
    """Video frame since the epoch."""
    work: Work


def windows(
    programme: Programme, *, from_frame: int, until_frame: int, seconds: int = CARD_SECONDS
) -> tuple[Window, ...]:
    """The titles of the sounds that begin between two video frames, `seconds` each at the least.

    A title appears at the first key frame of the loop from the beginning of its sound on, and stays
    to the end of a group, but not into the next sound. A sound without a title has none.
    """
    video, audio = programme.video_rate, programme.audio_rate
    found: list[Window] = []
    aac = max(0, convert_frames(from_frame, video, audio))
    end = convert_frames(until_frame, video, audio)
    while aac < end:
        sound = sound_at(programme, aac)
        if sound is None:
            break
        if sound.begin == sound.start and sound.begin >= aac and sound.title:
            begin = _first_frame(sound.begin, audio, video)
            last = convert_frames(sound.end, audio, video)
            found += _windows(programme, begin, last, sound.title, seconds)
        aac = sound.end
    return tuple(found)


def _first_frame(aac_frame: int, audio: Fraction, video: Fraction) -> int:
    """The first picture that is not shown before the sound begins."""
    return -(-aac_frame * video // audio)


def _windows(
    programme: Programme, begin: int, last: int, title: str, seconds: int
) -> Iterable[Window]:
    gop = gop_frames(programme)
    left = -(-round(seconds * programme.video_rate) // gop) * gop
    frame = begin
    while left > 0 and frame < last:
        placement = placement_at(programme, frame)
        if placement is None:
            return
        group = -(-(frame - placement.start) // gop)
        first = placement.start + group * gop
        end = min(placement.end, first + -(-left // gop) * gop)
        if end > last:
            # Whole groups only: the next sound has a title of its own.
            end = first + max(0, last - first) // gop * gop
        if first < end:
            yield Window(first, Work(placement.item.video, group, end - first, title))
            left -= end - first
            frame = end
            if end == last or end < placement.end:
                return
        else:
            frame = placement.end


def cards_of(
    windows: Iterable[Window], directory: Callable[[Work], str | None]
) -> tuple[Card, ...]:
    """The cards of those windows whose work is ready: `directory` says where, or None.

    A window that would begin before the one before it is over is left out.
    """
    found: list[Card] = []
    for window in sorted(windows, key=lambda window: window.begin):
        ready = directory(window.work)
        if ready is None or (found and window.begin < found[-1].end):
            continue
        work = window.work
        found.append(Card(window.begin, window.begin + work.frames, ready, 0, work.title))
    return tuple(found)
