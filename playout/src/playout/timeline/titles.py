"""Which groups of the loop should carry which title, for now-playing cards of radio mode.

A card replaces whole groups of pictures of the loop. The windows found here say what to encode;
those that are ready become the cards of the programme. A short loop brings the same windows again
and again: equal `work` needs to be encoded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from playout.timebase import convert_frames
from playout.timeline.edits import gop_frames
from playout.timeline.programme import Card, Programme
from playout.timeline.resolve import placement_at, sound_at

CARD_SECONDS = 10
WHOLE_SECONDS = 30
"""A clip that is no longer is lettered from end to end: then it is done once for each title."""


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
    clip_frames: int = 0
    """Pictures of the whole clip."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where on the time line some work is shown."""

    begin: int
    """Video frame since the epoch."""
    work: Work
    since: int = 0
    """Where its sound begins: the same for all pieces of one title."""


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
        video, clip = placement.item.video, placement.item.frames
        end = min(placement.end, first + -(-left // gop) * gop)
        if end > last:
            # Whole groups only: the next sound has a title of its own.
            end = first + max(0, last - first) // gop * gop
        if first < end:
            yield Window(first, Work(video, group, end - first, title, clip), begin)
            left -= end - first
            frame = end
            if end == last or end < placement.end:
                return
        else:
            frame = placement.end


def to_encode(work: Work, rate: Fraction) -> Work:
    """What is best encoded so that `work` can be shown: that, or all of a short clip."""
    if 0 < work.clip_frames <= WHOLE_SECONDS * rate:
        return replace(work, group=0, frames=work.clip_frames)
    return work


def cards_of(
    windows: Iterable[Window], ready: Callable[[Window], tuple[str, int] | None]
) -> tuple[Card, ...]:
    """The cards of those windows whose work is ready.

    `ready` says in which directory, and at which frame of that track the window begins, or None.

    A window that would begin before the one before it is over is left out.
    """
    found: list[Card] = []
    for window in sorted(windows, key=lambda window: window.begin):
        place = ready(window)
        if place is None or (found and window.begin < found[-1].end):
            continue
        work, (video, at) = window.work, place
        found.append(Card(window.begin, window.begin + work.frames, video, at, work.title))
    return tuple(found)
