"""Rows to `playout.timeline.Programme`, and where a change of a programme takes effect.

All functions are pure: time comes in as UTC nanoseconds. In the programmes made here `video` and
`audio` of an item are ids of tracks; `located` replaces them by directories of one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Literal, Protocol

from playout.media import HOUSE_AUDIO, VIDEO_PROFILES, video_profile
from playout.prepare.lettering import cleaned
from playout.timebase import frame_at_ns, frame_ms, frame_ns
from playout.timeline import edits, titles
from playout.timeline.programme import Item, Sound, SoundVersion, Version
from playout.timeline.programme import Programme as Programme  # callers name its type
from playout.timeline.resolve import Found, audio_boundary, find, placement_at, sound_at

LEAD_NS = 3_000_000_000
"""A change takes effect no sooner than this, so that every node knows it in time."""

FAR_LEAD_NS = 15_000_000_000
"""The same for a stream that several nodes send: one of them may have to be told twice."""

PICTURES, SOUND, FILLER = "pictures", "sound", "filler"
"""What a version is of. In radio mode pictures and sound have versions of their own."""

Part = Literal["pictures", "sound"]
At = Literal["item", "key"]
"""A change takes effect where an item ends, or at the next key frame."""

LOOK_BACK_NS = 60_000_000_000
"""A song that began so long ago may still have its title in the picture."""

CARD_LEAD_NS = 60_000_000_000
"""A title card is shown no sooner after it became ready: every node has heard of it by then."""

CARDS_NS = 90 * 60 * 1_000_000_000
"""So far ahead title cards are made and shown to nodes."""

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


class VersionRow(Protocol):
    """What is read of a `ProgrammeVersion`."""

    n: int
    kind: str
    effective_from: int
    entry: int
    offset: int
    loop: bool
    seed: int | None
    cycle: int
    items: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a new version of a programme takes over, and with what."""

    effective_from: int
    entry: int = 0
    offset: int = 0
    cycle: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """What the clock says is due: the item, how far it is, and what follows."""

    item_id: str
    title: str
    position_ms: int
    length_ms: int
    next_item_id: str
    next_title: str


@dataclass(frozen=True, slots=True)
class Play:
    """One item that the clock will bring."""

    item_id: str
    title: str
    at: datetime
    length_ms: int
    is_cut: bool
    """Whether something else takes over before it ends."""


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
    """A profile in words, such as `1080p, 30 fps, 10 Mbit/s`: short enough for a phone."""
    profile = video_profile(name)
    is_upright = profile.height > profile.width
    size = f"{profile.width} × {profile.height}" if is_upright else f"{profile.height}p"
    return f"{size}, {profile.fps} fps, {profile.kbps / 1000:g} Mbit/s"


# -- rows to programme --------------------------------------------------------------------------


def programme(
    *,
    epoch: datetime,
    profile: str,
    versions: Iterable[VersionRow],
    since_ns: int | None = None,
) -> Programme:
    """The programme that the rows of one epoch describe, in the order of `n`.

    A later version removes earlier ones of its kind that would take effect at the same frame or
    after it. Versions that had been replaced before `since_ns` are left out.
    Raises `playout.errors.ProgrammeError` when the rows contradict each other.
    """
    video = video_profile(profile)
    epoch_ns = to_ns(epoch)
    rows = sorted(versions, key=lambda row: row.n)
    pictures = _standing([row for row in rows if row.kind == PICTURES])
    sounds = _standing([row for row in rows if row.kind == SOUND])
    filler = _standing([row for row in rows if row.kind == FILLER])
    if since_ns is not None:
        _forget_before(pictures, frame_at_ns(since_ns - epoch_ns, video.rate))
        _forget_before(sounds, frame_at_ns(since_ns - epoch_ns, HOUSE_AUDIO.rate))
    return Programme(
        epoch_ns=epoch_ns,
        video_rate=video.rate,
        audio_rate=HOUSE_AUDIO.rate,
        versions=tuple(
            Version(items=tuple(item(entry) for entry in row.items), **_numbers(row))
            for row in pictures
        ),
        sound_versions=tuple(
            SoundVersion(sounds=tuple(sound(entry) for entry in row.items), **_numbers(row))
            for row in sounds
        ),
        filler=tuple(item(entry) for row in filler for entry in row.items),
        profile=video.id,
    )


def _standing(rows: Iterable[VersionRow]) -> list[VersionRow]:
    kept: list[VersionRow] = []
    for row in rows:
        while kept and kept[-1].effective_from >= row.effective_from:
            kept.pop()
        kept.append(row)
    return kept


def _forget_before(rows: list[VersionRow], frame: int) -> None:
    while len(rows) > 1 and rows[1].effective_from <= frame:
        del rows[0]


def _numbers(row: VersionRow) -> dict[str, Any]:
    names = ("n", "effective_from", "entry", "offset", "loop", "seed", "cycle")
    return {name: getattr(row, name) for name in names}


def item(entry: dict[str, Any]) -> Item:
    """An entry of a version of pictures."""
    return Item(video=str(entry["video"]), **_common(entry))


def sound(entry: dict[str, Any]) -> Sound:
    """An entry of a version of sound."""
    return Sound(**_common(entry))


def _common(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(entry["id"]),
        "audio": str(entry["audio"]),
        "frames": int(entry["frames"]),
        "title": str(entry.get("title", "")),
        "weight": int(entry.get("weight", 1)),
    }


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


def tracks(programme: Programme) -> set[str]:
    """Ids of all tracks that the programme may need."""
    found = {
        track
        for version in programme.versions
        for item in version.items
        for track in _tracks_of(programme, item)
    }
    found.update(track for item in programme.filler for track in _tracks_of(programme, item))
    found.update(sound.audio for version in programme.sound_versions for sound in version.sounds)
    found.update(card.video for card in programme.cards)
    return found


def _tracks_of(programme: Programme, item: Item) -> tuple[str, ...]:
    """In radio mode the sound of an item is never heard, and need not be ready."""
    return (item.video,) if programme.is_radio else (item.video, item.audio)


def tracks_due(programme: Programme, *, now_ns: int) -> tuple[str, ...]:
    """Tracks of what the clock wants now, and of what comes after it when that begins soon."""
    frame = max(0, _frame(programme, now_ns))
    placement = placement_at(programme, frame)
    if placement is None:
        return ()
    due = [*_tracks_of(programme, placement.item)]
    if placement.end - frame <= programme.video_rate * 10:
        following = placement_at(programme, placement.end)
        if following is not None:
            due += _tracks_of(programme, following.item)
    if programme.is_radio:
        heard = sound_at(programme, audio_boundary(programme, frame))
        if heard is not None:
            due.append(heard.audio)
            if heard.end - audio_boundary(programme, frame) <= programme.audio_rate * 10:
                after = sound_at(programme, heard.end)
                due += [after.audio] if after is not None else []
    return tuple(dict.fromkeys(due))


# -- title cards --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CardWish:
    """Groups of a clip that should carry a title, so that it can be shown when it is due."""

    loop: str
    """Id of the clip's track."""
    text: str
    """As it is drawn."""
    group: int
    frames: int
    is_whole: bool
    """All of a short clip: of use whenever the song is heard again."""
    first_at: datetime
    """When it is shown first, and until when last, as far as was asked."""
    last_at: datetime


class CardRow(Protocol):
    """What is read of a `library.TitleCard` that is ready."""

    @property
    def pk(self) -> Any:
        """Under which it is known as a track."""
        ...

    loop_id: Any
    text: str
    group: int
    frames: int
    ready_at: datetime | None


def card_wishes(programme: Programme, *, now_ns: int) -> list[CardWish]:
    """What to encode for the songs of the next `CARDS_NS`, in the order in which it is due."""
    rate = programme.video_rate
    found: dict[titles.Work, CardWish] = {}
    for window in _card_windows(programme, now_ns=now_ns):
        text = cleaned(window.work.title)
        begin = programme.epoch_ns + frame_ns(window.begin, rate)
        if not text or begin < now_ns:
            continue
        whole = titles.to_encode(window.work, rate)
        work = replace(whole, title=text)
        ends = from_ns(programme.epoch_ns + frame_ns(window.begin + window.work.frames, rate))
        known = found.get(work)
        found[work] = CardWish(
            loop=work.video, text=text, group=work.group, frames=work.frames,
            is_whole=work.frames == work.clip_frames,
            first_at=known.first_at if known else from_ns(begin), last_at=ends,
        )  # fmt: skip
    return list(found.values())


def with_cards(programme: Programme, ready: Iterable[CardRow], *, now_ns: int) -> Programme:
    """The programme with those title cards that are ready, from a minute ago to `CARDS_NS` ahead.

    One that became ready within `CARD_LEAD_NS` of its time is not shown then: another node may
    not have heard of it yet, and all must show the same.
    """
    known: dict[tuple[str, str], list[CardRow]] = {}
    for row in ready:
        known.setdefault((str(row.loop_id), row.text), []).append(row)
    gop, rate = edits.gop_frames(programme), programme.video_rate

    def place(window: titles.Window) -> tuple[str, int] | None:
        work = window.work
        begin = programme.epoch_ns + frame_ns(window.since, rate)
        for row in known.get((work.video, cleaned(work.title)), ()):
            at = (work.group - row.group) * gop
            in_time = row.ready_at is not None and to_ns(row.ready_at) + CARD_LEAD_NS <= begin
            if in_time and at >= 0 and at + work.frames <= row.frames:
                return str(row.pk), at
        return None

    if not known:
        return programme
    return replace(programme, cards=titles.cards_of(_card_windows(programme, now_ns=now_ns), place))


def _card_windows(programme: Programme, *, now_ns: int) -> tuple[titles.Window, ...]:
    if not programme.is_radio:
        return ()
    since = max(0, _frame(programme, now_ns - LOOK_BACK_NS))
    return titles.windows(
        programme, from_frame=since, until_frame=max(0, _frame(programme, now_ns + CARDS_NS))
    )


# -- what the clock says ------------------------------------------------------------------------


def moment(programme: Programme, *, now_ns: int) -> Moment | None:
    """What is due at `now_ns`; None before the first item and after the last."""
    return _moment(programme, "pictures", _frame(programme, now_ns))


def _moment(programme: Programme, part: Part, frame: int) -> Moment | None:
    on = _stretch(programme, part, frame) if frame >= 0 else None
    if on is None:
        return None
    following = _on(programme, part, on.end)
    then = following[0].entries[following[1].play.index] if following is not None else None
    rate = _rate(programme, part)
    return Moment(
        item_id=on.entry.id,
        title=on.entry.title,
        position_ms=frame_ms(frame - on.start, rate),
        length_ms=frame_ms(on.entry.frames, rate),
        next_item_id=then.id if then is not None else "",
        next_title=then.title if then is not None else "",
    )


def title_at(programme: Programme, part: Part, at: datetime) -> str:
    """What is on in that part then; empty for nothing. `at` is one that `due_at` answered."""
    on = _on(programme, part, earliest(programme, part, now_ns=to_ns(at), lead_ns=0))
    return on[0].entries[on[1].play.index].title if on is not None else ""


def join_after(programme: Programme, *, now_ns: int) -> int | None:
    """When the item that is due at `now_ns` gives way to the next, in UTC nanoseconds."""
    frame = _frame(programme, now_ns)
    placement = placement_at(programme, frame) if frame >= 0 else None
    if placement is None:
        return None
    return programme.epoch_ns + frame_ns(placement.end, programme.video_rate)


def has_ended(programme: Programme, *, now_ns: int) -> bool:
    """Whether the last item is over; a looping programme never ends."""
    frame = _frame(programme, now_ns)
    return frame >= 0 and placement_at(programme, frame) is None


def moment_of_sound(programme: Programme, *, now_ns: int) -> Moment | None:
    """The song that is due in radio mode; None in any other, or when none is."""
    if not programme.is_radio:
        return None
    frame = frame_at_ns(now_ns - programme.epoch_ns, programme.audio_rate)
    return _moment(programme, "sound", frame)


def coming(programme: Programme, part: Part, *, now_ns: int, count: int) -> list[Play]:
    """What the clock brings, beginning with what is due at `now_ns`; at most `count`."""
    rate = _rate(programme, part)
    frame = max(0, frame_at_ns(now_ns - programme.epoch_ns, rate))
    plays: list[Play] = []
    while len(plays) < count and (on := _stretch(programme, part, frame)) is not None:
        plays.append(
            Play(
                item_id=on.entry.id,
                title=on.entry.title,
                at=from_ns(programme.epoch_ns + frame_ns(on.begin, rate)),
                length_ms=frame_ms(on.end - on.begin, rate),
                is_cut=on.end < on.start + on.entry.frames,
            )
        )
        frame = on.end
    return plays


# -- where a change takes effect ----------------------------------------------------------------


class NothingToChange(Exception):
    """The edit would leave everything as it is: nothing is on then, or nothing else follows."""


class BeginsByItself(NothingToChange):
    """What was asked for comes anyway, and the programme is over before anything may change."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to be written."""

    kind: str
    effective_from: int
    entry: int
    offset: int
    loop: bool
    seed: int | None
    cycle: int
    entries: list[dict[str, Any]]
    """As in a row, without their assets."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit writes, when it takes effect, and what is on then."""

    part: Part
    versions: list[NewVersion]
    at: datetime
    title: str


def skip(programme: Programme, part: Part, *, at_frame: int) -> Edit:
    """Cut short what is on at `at_frame`."""
    if part == SOUND:
        return _edit(programme, sounds=edits.skip_sound(programme, at_frame=at_frame))
    return _edit(programme, edits.skip(programme, at_frame=at_frame))


def jump(
    programme: Programme, part: Part, *, item_id: str, at: At, at_frame: int, now_ns: int
) -> Edit:
    """Go on with another item of the list, and from there in its order.

    What begins by itself between `now_ns` and `at_frame` is not begun a second time.
    """
    begins = _begins_by_itself(programme, part, item_id, now_ns=now_ns, until=at_frame)
    if begins is not None:
        try:
            same = (
                _edit(programme, sounds=edits.kept_sound(programme, at_frame=at_frame))
                if part == SOUND
                else _edit(programme, edits.kept(programme, at_frame=at_frame))
            )
        except NothingToChange:
            raise BeginsByItself from None
        return replace(same, at=due_at(programme, begins.begin, part), title=begins.entry.title)
    place = place_of(programme, part, item_id, at_frame=at_frame, at=at)
    if place is None:
        raise NothingToChange
    version, entry, cycle = place
    if part == SOUND:
        found = edits.jump_sound(
            programme, at_frame=at_frame, entry=entry, cycle=cycle, at=at, version=version
        )
        return _edit(programme, sounds=found)
    return _edit(
        programme,
        edits.jump(programme, at_frame=at_frame, entry=entry, cycle=cycle, at=at, version=version),
    )


def _begins_by_itself(
    programme: Programme, part: Part, item_id: str, *, now_ns: int, until: int
) -> _Stretch | None:
    """The first play of an item from its top that begins after `now_ns`, at `until` at the latest.

    It may be over by then.
    """
    now = frame_at_ns(now_ns - programme.epoch_ns, _rate(programme, part))
    on = _stretch(programme, part, max(0, now))
    while on is not None and on.begin <= until:
        if on.entry.id == item_id and now < on.start == on.begin:
            return on
        on = _stretch(programme, part, on.end)
    return None


def play_next(programme: Programme, part: Part, *, entry: dict[str, Any], at_frame: int) -> Edit:
    """Play something once behind what is on at `at_frame`, and go on as before."""
    if part == SOUND:
        found = edits.play_sound_next(programme, at_frame=at_frame, sound=sound(entry))
        return _edit(programme, sounds=found)
    return _edit(programme, edits.play_next(programme, at_frame=at_frame, item=item(entry)))


def swap(
    programme: Programme,
    part: Part,
    *,
    entries: Sequence[dict[str, Any]],
    at: At,
    loop: bool = True,
    seed: int | None = None,
    at_frame: int,
) -> Edit:
    """Give up all that was to come, and play another list from its top.

    Behind the end of the programme nothing begins: the connections end with it.
    """
    if _on(programme, part, at_frame) is None:
        raise NothingToChange
    if part == SOUND:
        return _edit(
            programme,
            sounds=edits.swap_sounds(
                programme, at_frame=at_frame, sounds=[sound(e) for e in entries], at=at,
                loop=loop, seed=seed,
            ),
        )  # fmt: skip
    return _edit(
        programme,
        edits.swap(
            programme, at_frame=at_frame, items=[item(e) for e in entries], at=at, loop=loop,
            seed=seed,
        ),
    )  # fmt: skip


def follow(
    programme: Programme,
    part: Part,
    *,
    entries: Sequence[dict[str, Any]],
    loop: bool = True,
    seed: int | None = None,
    at_frame: int,
) -> Edit:
    """Take over a changed list where an item ends, and go on with what follows it there."""
    if part == SOUND:
        found = edits.follow_sounds(
            programme, at_frame=at_frame, sounds=[sound(e) for e in entries], loop=loop, seed=seed
        )
        return _edit(programme, sounds=found)
    return _edit(
        programme,
        edits.follow(
            programme, at_frame=at_frame, items=[item(e) for e in entries], loop=loop, seed=seed
        ),
    )


def undo(programme: Programme, part: Part, *, before: Programme, since: int, at_frame: int) -> Edit:
    """Go on as `before`, the programme without an edit that began at `since`, would have."""
    if part == SOUND:
        found = edits.undo_sound(
            programme, before=before.sound_versions, since=since, at_frame=at_frame
        )
        return _edit(programme, sounds=found)
    return _edit(
        programme,
        edits.undo(programme, before=before.versions, since=since, at_frame=at_frame),
    )


def _edit(
    programme: Programme, pictures: Sequence[Version] = (), sounds: Sequence[SoundVersion] = ()
) -> Edit:
    part: Part = "sound" if sounds else "pictures"
    versions: Sequence[Version | SoundVersion] = sounds or pictures
    if not versions:
        raise NothingToChange
    after = edits.appended(programme, pictures, sounds)
    begin = versions[0].effective_from
    on = _on(after, part, begin)
    return Edit(
        part=part,
        versions=[
            NewVersion(
                kind=part,
                effective_from=version.effective_from,
                entry=version.entry,
                offset=version.offset,
                loop=version.loop,
                seed=version.seed,
                cycle=version.cycle,
                entries=[_entry(each) for each in version.entries],
            )
            for version in versions
        ],
        at=due_at(programme, begin, part),
        title=on[0].entries[on[1].play.index].title if on is not None else "",
    )


def _entry(entry: Item | Sound) -> dict[str, Any]:
    values: dict[str, Any] = {"id": entry.id, "title": entry.title}
    if isinstance(entry, Item):
        values["video"] = entry.video
    values |= {"audio": entry.audio, "frames": entry.frames}
    return values | ({"weight": entry.weight} if entry.weight != 1 else {})


def earliest(programme: Programme, part: Part, *, now_ns: int, lead_ns: int = LEAD_NS) -> int:
    """The first frame of that part that is due no sooner than `lead_ns` from now."""
    rate = _rate(programme, part)
    since = now_ns + lead_ns - programme.epoch_ns
    frame = max(0, frame_at_ns(since, rate))
    return frame + 1 if frame_ns(frame, rate) < since else frame


def place_of(
    programme: Programme, part: Part, item_id: str, *, at_frame: int, at: At = "key"
) -> tuple[int, int, int] | None:
    """Version, position and cycle at which an item plays next, from `at_frame` on.

    The list is the one that is on air then, or the one that was already asked to replace it; what
    is to play once counts too. A shuffled list is followed into its next cycle. None when none of
    them holds the item, such as one of a list that was swapped for another a moment ago, or that
    waits behind a pause.
    """
    versions: tuple[Version | SoundVersion, ...]
    if part == SOUND:
        versions = edits.jumpable_sounds(programme, at_frame=at_frame, at=at)
    else:
        versions = edits.jumpable(programme, at_frame=at_frame, at=at)
    for version in versions:
        ids = [entry.id for entry in version.entries]
        if item_id not in ids:
            continue
        if version.seed is None:
            return version.n, ids.index(item_id), 0
        cycle, place = version.cycle, version.entry - 1
        if version.effective_from <= at_frame and (on := _on(programme, part, at_frame)):
            cycle, place = on[1].play.cycle, on[1].play.place
        for later in (cycle, cycle + 1):
            for position, index in enumerate(version.orders.order(later)):
                if ids[index] == item_id and (later > cycle or position > place):
                    return version.n, position, later
        return None
    return None


def sound_frame(programme: Programme, frame: int) -> int:
    """The AAC frame that starts nearest to a video frame."""
    return audio_boundary(programme, frame)


def anchor_now(programme: Programme, *, now_ns: int) -> Anchor:
    """The next key frame of the clock's own grid: for a change while nothing is on air."""
    gop = video_profile(programme.profile).gop_frames
    frame = max(0, _frame(programme, now_ns))
    boundary = -(-frame // gop) * gop
    return Anchor(max(boundary, programme.versions[-1].effective_from + gop))


def anchor_resume(
    programme: Programme,
    part: Part = "pictures",
    *,
    items: Sequence[tuple[str, int]],
    seed: int | None = None,
    stopped_ns: int,
) -> Anchor:
    """Where a stream that was stopped at `stopped_ns` goes on, for a new time line.

    `items` are (id, frames) of what is ready now. The position is rounded down to a key frame; it
    is the top when the item is gone. A shuffled list goes on within its order when the list is
    the same, and begins its next cycle otherwise.
    """
    gop = 1 if part == SOUND else video_profile(programme.profile).gop_frames
    frame = max(0, frame_at_ns(stopped_ns - programme.epoch_ns, _rate(programme, part)))
    on = _on(programme, part, frame)
    if on is None:
        return Anchor(0)
    version, play = on[0], on[1].play
    if seed is not None:
        known = [(entry.id, entry.frames) for entry in version.entries]
        if version.seed == seed and known == list(items):
            return Anchor(0, play.place, play.into // gop * gop, play.cycle)
        return Anchor(0, cycle=play.cycle + 1)
    for entry, (item_id, frames) in enumerate(items):
        if item_id == version.entries[play.index].id:
            offset = play.into // gop * gop
            return Anchor(0, entry=entry, offset=offset if offset < frames else 0)
    return Anchor(0)


def next_cycle(programme: Programme, part: Part, *, at_ns: int) -> int:
    """The cycle after the one that was on at `at_ns`: a new start brings a new order."""
    frame = max(0, frame_at_ns(at_ns - programme.epoch_ns, _rate(programme, part)))
    on = _on(programme, part, frame)
    return on[1].play.cycle + 1 if on is not None and on[0].seed is not None else 0


def kbps(profile: str) -> int:
    """What an output in this profile sends, picture and sound together, in kbit/s."""
    return video_profile(profile).kbps + HOUSE_AUDIO.kbps


def length_ms(frames: int, profile: str) -> int:
    """How long so many video frames of a profile last."""
    return frame_ms(frames, video_profile(profile).rate)


def sound_ms(frames: int) -> int:
    """How long so many AAC frames last."""
    return frame_ms(frames, HOUSE_AUDIO.rate)


def frame_at(epoch: datetime, profile: str, moment: datetime) -> int:
    """The video frame of a time line that is due at `moment`; negative before its epoch."""
    return frame_at_ns(to_ns(moment) - to_ns(epoch), video_profile(profile).rate)


def frame_of(kind: str, epoch: datetime, profile: str, moment: datetime) -> int:
    """The frame in which versions of that kind are counted, at `moment`; 0 before the epoch."""
    rate = HOUSE_AUDIO.rate if kind == SOUND else video_profile(profile).rate
    return max(0, frame_at_ns(to_ns(moment) - to_ns(epoch), rate))


def time_of(kind: str, epoch: datetime, profile: str, frame: int) -> datetime:
    """When a frame is due in which versions of that kind are counted."""
    rate = HOUSE_AUDIO.rate if kind == SOUND else video_profile(profile).rate
    return from_ns(to_ns(epoch) + frame_ns(frame, rate))


def due_at(programme: Programme, frame: int, kind: str = PICTURES) -> datetime:
    """When a frame of the programme is due: a video frame, or an AAC frame of its sound."""
    return from_ns(programme.epoch_ns + frame_ns(frame, _rate(programme, kind)))


def _rate(programme: Programme, kind: str) -> Fraction:
    return programme.audio_rate if kind == SOUND else programme.video_rate


def _on(
    programme: Programme, part: Part, frame: int
) -> tuple[Version | SoundVersion, Found] | None:
    """Which version is on at `frame` of that part, and where within it."""
    if part == SOUND:
        found = find(programme.sound_versions, frame)
        return (programme.sound_versions[found.index], found) if found is not None else None
    found = find(programme.versions, frame)
    return (programme.versions[found.index], found) if found is not None else None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """One play of an entry as people see it, in frames of its part."""

    entry: Item | Sound
    start: int
    begin: int
    end: int


def _stretch(programme: Programme, part: Part, frame: int) -> _Stretch | None:
    """What is on at `frame`, whole: an edit that was undone before it began is no join."""
    on = _on(programme, part, frame)
    if on is None:
        return None
    version, found = on
    entry, begin, end = version.entries[found.play.index], found.begin, found.end

    def is_the_same(other: tuple[Version | SoundVersion, Found] | None) -> bool:
        return (
            other is not None
            and other[1].start == found.start
            and other[0].entries[other[1].play.index] == entry
        )

    while is_the_same(before := _on(programme, part, begin - 1)) and before is not None:
        begin = before[1].begin
    while is_the_same(after := _on(programme, part, end)) and after is not None:
        end = after[1].end
    return _Stretch(entry, found.start, begin, end)


def _frame(programme: Programme, at_ns: int) -> int:
    return frame_at_ns(at_ns - programme.epoch_ns, programme.video_rate)
