"""Rows to `playout.timeline.Programme`, and where a change of a programme takes effect.

All functions are pure: time comes in as UTC nanoseconds. In the programmes made here `video` and
`audio` of an item are ids of tracks; `located` replaces them by directories of one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from playout.media import HOUSE_AUDIO, VIDEO_PROFILES, video_profile
from playout.timebase import frame_at_ns, frame_ms, frame_ns
from playout.timeline.programme import Item, Programme, Version
from playout.timeline.resolve import Placement, placement_at

LEAD_NS = 3_000_000_000
"""A change takes effect no sooner than this, so that every node knows it in time."""

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


class VersionRow(Protocol):
    """What is read of a `ProgrammeVersion`."""

    n: int
    effective_from: int
    entry: int
    offset: int
    loop: bool
    items: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a new version of a programme takes over, and with what."""

    effective_from: int
    entry: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """What the clock says is due: the item, how far it is, and what follows."""

    item_id: str
    title: str
    position_ms: int
    length_ms: int
    next_item_id: str
    next_title: str


# -- clocks and profiles ------------------------------------------------------------------------


def to_ns(moment: datetime) -> int:
    """UTC nanoseconds of an aware datetime, exactly."""
    return (moment - _UNIX) // timedelta(microseconds=1) * 1000


def from_ns(ns: int) -> datetime:
    """The aware datetime of UTC nanoseconds, rounded down to microseconds."""
    return _UNIX + timedelta(microseconds=ns // 1000)


def grouped_profile_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """All house formats by id and in words, grouped for a select."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, profile in VIDEO_PROFILES.items():
        group = "Upright" if profile.height > profile.width else "Wide"
        group += ", economy" if name.endswith("-economy") else ""
        found.setdefault(group, []).append((profile.id, profile_label(name)))
    order = ("Wide", "Wide, economy", "Upright", "Upright, economy")
    return [(group, found[group]) for group in order]


def profile_label(name: str) -> str:
    """A profile in words, such as `1080p, 1920 × 1080, 30 fps, 10 Mbit/s`."""
    profile = video_profile(name)
    return (
        f"{min(profile.width, profile.height)}p, {profile.width} × {profile.height}, "
        f"{profile.fps} fps, {profile.kbps / 1000:g} Mbit/s"
    )


# -- rows to programme --------------------------------------------------------------------------


def programme(
    *, epoch: datetime, profile: str, versions: Iterable[VersionRow], since_ns: int | None = None
) -> Programme:
    """The programme that the rows of one epoch describe, in the order of `n`.

    A later version removes earlier ones that would take effect at the same frame or after it.
    Versions that had been replaced before `since_ns` are left out.
    Raises `playout.errors.ProgrammeError` when the rows contradict each other.
    """
    video = video_profile(profile)
    kept: list[Version] = []
    for row in sorted(versions, key=lambda row: row.n):
        while kept and kept[-1].effective_from >= row.effective_from:
            kept.pop()
        kept.append(_version(row))
    epoch_ns = to_ns(epoch)
    if since_ns is not None:
        since = frame_at_ns(since_ns - epoch_ns, video.rate)
        while len(kept) > 1 and kept[1].effective_from <= since:
            del kept[0]
    return Programme(
        epoch_ns=epoch_ns,
        video_rate=video.rate,
        audio_rate=HOUSE_AUDIO.rate,
        versions=tuple(kept),
        profile=video.id,
    )


def _version(row: VersionRow) -> Version:
    return Version(
        n=row.n,
        effective_from=row.effective_from,
        entry=row.entry,
        offset=row.offset,
        loop=row.loop,
        items=tuple(
            Item(
                id=str(item["id"]),
                video=str(item["video"]),
                audio=str(item["audio"]),
                frames=int(str(item["frames"])),
                title=str(item.get("title", "")),
            )
            for item in row.items
        ),
    )


def located(programme: Programme, directory: Callable[[str], str]) -> Programme:
    """The same programme with directories of this machine in place of ids of tracks."""

    def here(items: Iterable[Item]) -> tuple[Item, ...]:
        return tuple(
            replace(item, video=directory(item.video), audio=directory(item.audio))
            for item in items
        )

    return replace(
        programme,
        versions=tuple(
            replace(version, items=here(version.items)) for version in programme.versions
        ),
        sound_versions=tuple(
            replace(
                version,
                sounds=tuple(
                    replace(sound, audio=directory(sound.audio)) for sound in version.sounds
                ),
            )
            for version in programme.sound_versions
        ),
        cards=tuple(replace(card, video=directory(card.video)) for card in programme.cards),
        filler=here(programme.filler),
    )


def until(programme: Programme, *, now_ns: int) -> Programme:
    """The programme without versions that are not yet certain: those that begin in `LEAD_NS`."""
    frame = _frame(programme, now_ns + LEAD_NS)
    certain = tuple(v for v in programme.versions if v.effective_from <= max(0, frame))
    return replace(programme, versions=certain or programme.versions[:1])


def tracks(programme: Programme) -> set[str]:
    """Ids of all tracks that the programme may need."""
    items = [item for version in programme.versions for item in version.items]
    found = {track for item in (*items, *programme.filler) for track in (item.video, item.audio)}
    found.update(sound.audio for version in programme.sound_versions for sound in version.sounds)
    found.update(card.video for card in programme.cards)
    return found


def tracks_due(programme: Programme, *, now_ns: int) -> tuple[str, ...]:
    """Tracks of the item that the clock wants now, and of the one after it when it begins soon."""
    frame = max(0, _frame(programme, now_ns))
    placement = placement_at(programme, frame)
    if placement is None:
        return ()
    due = [placement.item.video, placement.item.audio]
    if placement.end - frame <= programme.video_rate * 10:
        following = placement_at(programme, placement.end)
        if following is not None:
            due += [following.item.video, following.item.audio]
    return tuple(dict.fromkeys(due))


# -- what the clock says ------------------------------------------------------------------------


def moment(programme: Programme, *, now_ns: int) -> Moment | None:
    """What is due at `now_ns`; None before the first item and after the last."""
    frame = _frame(programme, now_ns)
    placement = placement_at(programme, frame) if frame >= 0 else None
    if placement is None:
        return None
    following = placement_at(programme, placement.end)
    rate = programme.video_rate
    return Moment(
        item_id=placement.item.id,
        title=placement.item.title,
        position_ms=frame_ms(frame - placement.start, rate),
        length_ms=frame_ms(placement.item.frames, rate),
        next_item_id=following.item.id if following else "",
        next_title=following.item.title if following else "",
    )


def has_ended(programme: Programme, *, now_ns: int) -> bool:
    """Whether the last item is over; a looping programme never ends."""
    frame = _frame(programme, now_ns)
    return frame >= 0 and placement_at(programme, frame) is None


# -- where a change takes effect ----------------------------------------------------------------


def anchor_edit(
    programme: Programme, *, items: Sequence[str], loop: bool, now_ns: int
) -> Anchor | None:
    """Where a new order of `items` (ids) takes over: the first join at least `LEAD_NS` ahead.

    It goes on with the item that would have come next; when that is gone, with what follows it in
    the old order, or else in the new one. None when the programme ends before anything new
    could be shown.
    """
    frame = max(0, _frame(programme, now_ns + LEAD_NS))
    placement = placement_at(programme, frame)
    if placement is None:
        return None
    if placement.begin == frame:
        boundary, current = frame, placement_at(programme, frame - 1) if frame else None
    else:
        boundary, current = placement.end, placement
    following = placement_at(programme, boundary)
    if following is not None:
        for old in _order_from(programme, following):
            if old in items:
                return Anchor(boundary, entry=items.index(old))
    if current is not None and current.item.id in items:
        entry = items.index(current.item.id) + 1
        if entry < len(items):
            return Anchor(boundary, entry=entry)
        if not loop:
            return None
    elif following is None and not loop:
        return None
    return Anchor(boundary)


def _order_from(programme: Programme, placement: Placement) -> list[str]:
    """Ids from the item of `placement` to the last of its version, without what came before."""
    version = next(v for v in programme.versions if v.n == placement.version)
    ids = [item.id for item in version.items]
    return ids[ids.index(placement.item.id) :]


def anchor_now(programme: Programme, *, now_ns: int) -> Anchor:
    """The next key frame of the clock's own grid: for a change while nothing is on air."""
    gop = video_profile(programme.profile).gop_frames
    frame = max(0, _frame(programme, now_ns))
    boundary = -(-frame // gop) * gop
    return Anchor(max(boundary, programme.versions[-1].effective_from + gop))


def anchor_resume(
    programme: Programme, *, items: Sequence[tuple[str, int]], stopped_ns: int
) -> Anchor:
    """Where a stream that was stopped at `stopped_ns` goes on, for a new time line.

    `items` are (id, frames) of what is ready now. The position is rounded down to a key frame; it
    is the top when the item is gone.
    """
    frame = max(0, _frame(programme, stopped_ns))
    placement = placement_at(programme, frame)
    if placement is None:
        return Anchor(0)
    gop = video_profile(programme.profile).gop_frames
    for entry, (item_id, frames) in enumerate(items):
        if item_id == placement.item.id:
            offset = (frame - placement.start) // gop * gop
            return Anchor(0, entry=entry, offset=offset if offset < frames else 0)
    return Anchor(0)


def kbps(profile: str) -> int:
    """What an output in this profile sends, picture and sound together, in kbit/s."""
    return video_profile(profile).kbps + HOUSE_AUDIO.kbps


def length_ms(frames: int, profile: str) -> int:
    """How long so many video frames of a profile last."""
    return frame_ms(frames, video_profile(profile).rate)


def frame_at(epoch: datetime, profile: str, moment: datetime) -> int:
    """The video frame of a time line that is due at `moment`; negative before its epoch."""
    return frame_at_ns(to_ns(moment) - to_ns(epoch), video_profile(profile).rate)


def due_at(programme: Programme, frame: int) -> datetime:
    """When a video frame of the programme is due."""
    return from_ns(programme.epoch_ns + frame_ns(frame, programme.video_rate))


def _frame(programme: Programme, at_ns: int) -> int:
    return frame_at_ns(at_ns - programme.epoch_ns, programme.video_rate)
