"""What is on air at an instant: a pure function, the same on every node."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from playout.timebase import convert_frames
from playout.timeline.order import Play
from playout.timeline.programme import Card, Item, Programme, SoundVersion, V, Version

ROTATION_SECONDS = 14 * 24 * 3600
"""Sessions are renewed this often, long before timestamps of 32 or even 31 bits run over."""


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
    cycle: int = 0
    place: int = 0
    """Position in the order of the cycle."""


@dataclass(frozen=True, slots=True)
class SoundPlacement:
    """One stretch of sound on the time line, in AAC frames since the epoch."""

    item_id: str
    audio: str
    start: int
    begin: int
    end: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Where an instant lies within a list of versions."""

    index: int
    """Of the version."""
    play: Play
    start: int
    begin: int
    end: int


def placement_at(programme: Programme, frame: int) -> Placement | None:
    """The item that shows video frame `frame`; None before the first and after the last."""
    found = find(programme.versions, frame)
    if found is None:
        return None
    version = programme.versions[found.index]
    return Placement(
        version=version.n,
        item=version.items[found.play.index],
        start=found.start,
        begin=found.begin,
        end=found.end,
        cycle=found.play.cycle,
        place=found.play.place,
    )


def find(versions: Sequence[V], frame: int) -> Found | None:
    """Which play of which version covers `frame`; O(log n) in versions and entries."""
    index = bisect_right(versions, frame, key=_effective_from) - 1
    if index < 0:
        return None
    version = versions[index]
    orders = version.orders
    elapsed = frame - version.effective_from + version.offset
    play = orders.locate(version.cycle, elapsed + orders.begin(version.cycle, version.entry))
    if play.cycle > version.cycle and not version.loop:
        return None
    start = frame - play.into
    end = start + version.entries[play.index].frames
    if index + 1 < len(versions):
        end = min(end, versions[index + 1].effective_from)
    return Found(index, play, start, max(start, version.effective_from), end)


def _effective_from(version: Version | SoundVersion) -> int:
    return version.effective_from


def card_at(programme: Programme, frame: int) -> Card | None:
    """The card that covers video frame `frame`."""
    index = bisect_right(programme.cards, frame, key=lambda card: card.begin) - 1
    if index < 0 or programme.cards[index].end <= frame:
        return None
    return programme.cards[index]


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
        title=placement.item.title,
    )


def sound_at(programme: Programme, aac_frame: int) -> SoundPlacement | None:
    """The stretch of sound that holds AAC frame `aac_frame`."""
    if programme.sound_versions:
        return _own_sound(programme.sound_versions, aac_frame)
    guess = convert_frames(aac_frame, programme.audio_rate, programme.video_rate)
    # Rounding may put the guess one placement too far on either side of a join.
    for frame in (guess, guess - 1, guess + 1):
        placement = placement_at(programme, frame)
        if placement is not None:
            sound = linked_sound(programme, placement)
            if sound.begin <= aac_frame < sound.end:
                return sound
    return None


def _own_sound(versions: tuple[SoundVersion, ...], aac_frame: int) -> SoundPlacement | None:
    found = find(versions, aac_frame)
    if found is None:
        return None
    sound = versions[found.index].sounds[found.play.index]
    return SoundPlacement(
        sound.id, sound.audio, found.start, found.begin, found.end, sound.title
    )  # fmt: skip


# -- timestamps on the wire ---------------------------------------------------------------------


def wire_origin(programme: Programme, frame: int, *, period: int | None = ROTATION_SECONDS) -> int:
    """The video frame that counts as timestamp 0 in a session that opens at `frame`.

    It is the last multiple of `period` seconds since the epoch that some join has followed by
    then: sessions that are on air change at that join (see `rotation_at`), and one that begins
    before it still counts as they do. Nothing of the past enters but the join itself, so a node
    that has forgotten old versions finds the same. Without a period it is the epoch.
    """
    if not period:
        return 0
    turn = _turn_of(frame, period, programme.video_rate)
    while turn > 0 and _join_after(programme, _multiple(turn, period, programme)) > frame:
        turn -= 1
    return _multiple(turn, period, programme) if turn > 0 else 0


def rotation_at(programme: Programme, frame: int, *, period: int | None = ROTATION_SECONDS) -> int:
    """The join at which a session that opened at `frame` gives way to the next one.

    It is -1 without a period. A new version may move it, so ask again after an edit.
    """
    if not period:
        return -1
    origin = wire_origin(programme, frame, period=period)
    turn = _turn_of(origin, period, programme.video_rate) + 1
    return _join_after(programme, _multiple(turn, period, programme))


def _turn_of(frame: int, period: int, rate: Fraction) -> int:
    return frame * rate.denominator // (period * rate.numerator)


def _multiple(turn: int, period: int, programme: Programme) -> int:
    rate = programme.video_rate
    return -(-turn * period * rate.numerator // rate.denominator)


def _join_after(programme: Programme, frame: int) -> int:
    """The first join not before `frame`."""
    first = programme.versions[0].effective_from
    if frame <= first:
        return first
    placement = placement_at(programme, frame)
    if placement is None or placement.begin == frame:
        return frame
    return placement.end
