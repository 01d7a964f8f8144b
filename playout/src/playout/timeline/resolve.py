"""What is on air at an instant: a pure function, the same on every node."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from playout.timebase import convert_frames
from playout.timeline.programme import Item, Programme, Sound, Version


@dataclass(frozen=True, slots=True)
class Placement:
    """One item on the time line, in video frames since the epoch."""

    version: int
    item: Item
    start: int
    """Where frame 0 of the item's track falls; before `begin` when the item is entered midway."""
    begin: int
    end: int
    """First frame that no longer belongs to this placement."""


@dataclass(frozen=True, slots=True)
class SoundPlacement:
    """One stretch of sound on the time line, in AAC frames since the epoch."""

    item_id: str
    audio: str
    start: int
    begin: int
    end: int


def placement_at(programme: Programme, frame: int) -> Placement | None:
    """The item that shows video frame `frame`; None before the first and after the last."""
    index = bisect_right([v.effective_from for v in programme.versions], frame) - 1
    if index < 0:
        return None
    until = None
    if index + 1 < len(programme.versions):
        until = programme.versions[index + 1].effective_from
    return _within(programme.versions[index], frame, until)


def _within(version: Version, frame: int, until: int | None) -> Placement | None:
    entered = sum(item.frames for item in version.items[: version.entry]) + version.offset
    position = entered + frame - version.effective_from
    passes, position = divmod(position, version.cycle_frames)
    if passes and not version.loop:
        return None
    for item in version.items:
        if position < item.frames:
            start = frame - position
            end = start + item.frames
            return Placement(
                version=version.n,
                item=item,
                start=start,
                begin=max(start, version.effective_from),
                end=end if until is None else min(end, until),
            )
        position -= item.frames
    raise AssertionError("a position within the cycle belongs to an item")


def audio_boundary(programme: Programme, frame: int) -> int:
    """The AAC frame that starts nearest to the start of video frame `frame`.

    Being a function of the absolute frame alone, it keeps sound within half an AAC frame of the
    picture at every join, for ever.
    """
    return convert_frames(frame, programme.video_rate, programme.audio_rate)


def linked_sound(programme: Programme, placement: Placement) -> SoundPlacement:
    """The sound that belongs to the picture of `placement`."""
    return SoundPlacement(
        item_id=placement.item.id,
        audio=placement.item.audio,
        start=audio_boundary(programme, placement.start),
        begin=audio_boundary(programme, placement.begin),
        end=audio_boundary(programme, placement.end),
    )


def sound_at(programme: Programme, aac_frame: int) -> SoundPlacement | None:
    """The stretch of sound that holds AAC frame `aac_frame`."""
    if programme.sounds:
        return _looped_sound(programme.sounds, aac_frame)
    guess = convert_frames(aac_frame, programme.audio_rate, programme.video_rate)
    # Rounding may put the guess one placement too far on either side of a join.
    for frame in (guess, guess - 1, guess + 1):
        placement = placement_at(programme, frame)
        if placement is not None:
            sound = linked_sound(programme, placement)
            if sound.begin <= aac_frame < sound.end:
                return sound
    return None


def _looped_sound(sounds: tuple[Sound, ...], aac_frame: int) -> SoundPlacement | None:
    if aac_frame < 0:
        return None
    position = aac_frame % sum(sound.frames for sound in sounds)
    for sound in sounds:
        if position < sound.frames:
            start = aac_frame - position
            return SoundPlacement(sound.id, sound.audio, start, start, start + sound.frames)
        position -= sound.frames
    raise AssertionError("a position within the cycle belongs to a sound")
