"""Changes of a programme on air, as new versions to append.

All functions are pure. They take the programme as it is and the earliest frame at which something
may change, which the caller puts far enough ahead for every node to know it in time, and return
the versions that make the change, numbered after the last one; none when there is nothing to
change. A new version takes the place of all older ones that would begin with it or after it: see
`appended`.

What follows on the line is kept. A version that begins where the one before it passes from one
entry to the next, such as the two of "play next", moves with that join when something before it
is cut short. One that cuts in at a time of its own keeps that time, on the next key frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from playout.errors import ProgrammeError, UnknownProfile
from playout.media import GOP_SECONDS, video_profile
from playout.timeline.programme import (
    Item,
    Programme,
    Sound,
    SoundVersion,
    V,
    Version,
)
from playout.timeline.resolve import Found, audio_boundary, find

At = Literal["item", "key"]
"""A change takes effect where an item ends, or at the next key frame."""


def gop_frames(programme: Programme) -> int:
    """Video frames from one key frame of an item to the next."""
    try:
        return video_profile(programme.profile).gop_frames
    except UnknownProfile:
        return round(GOP_SECONDS * programme.video_rate)


def appended(
    programme: Programme,
    versions: Sequence[Version] = (),
    sound_versions: Sequence[SoundVersion] = (),
) -> Programme:
    """The programme with newer versions, which replace those that begin with them or later."""
    return replace(
        programme,
        versions=_appended(programme.versions, versions),
        sound_versions=_appended(programme.sound_versions, sound_versions),
    )


def _appended(versions: Sequence[V], newer: Sequence[V]) -> tuple[V, ...]:
    kept = list(versions)
    for version in newer:
        while kept and kept[-1].effective_from >= version.effective_from:
            kept.pop()
        kept.append(version)
    return tuple(kept)


# -- pictures, with the sound that belongs to them ---------------------------------------------


def skip(programme: Programme, *, at_frame: int) -> tuple[Version, ...]:
    """Cut the item that shows `at_frame` short at the next key frame."""
    return _skip(programme.versions, at_frame, gop_frames(programme))


def jump(
    programme: Programme,
    *,
    at_frame: int,
    entry: int,
    cycle: int | None = None,
    at: At = "key",
    version: int | None = None,
) -> tuple[Version, ...]:
    """Go on with position `entry` of the order that is on air then, in `cycle` or the same one.

    With `version`, the number of one of `jumpable`, the list is that of this version. What plays
    only once is brought forward, and followed by what was to follow it.
    """
    gop = gop_frames(programme)
    return _jump(programme.versions, at_frame, at, gop, entry, cycle, version)


def jumpable(programme: Programme, *, at_frame: int, at: At = "key") -> tuple[Version, ...]:
    """The versions whose lists can be jumped into from `at_frame` on, the first choice first.

    That is the list that will be the last one, and behind what only plays once the one before;
    then what is to play once. A list that was given up belongs to none of these.
    """
    return _jumpable(programme.versions, at_frame, gop_frames(programme) if at == "key" else 0)


def kept(programme: Programme, *, at_frame: int) -> tuple[Version, ...]:
    """All that is to come from the first key frame on, as it is: an edit that leaves no trace."""
    return _kept(programme.versions, at_frame, gop_frames(programme))


def play_next(programme: Programme, *, at_frame: int, item: Item) -> tuple[Version, ...]:
    """Play `item` once where the item that shows `at_frame` ends; then go on as before."""
    versions, gop = _plain(programme.versions), gop_frames(programme)
    boundary = _boundary(versions, at_frame, 0)
    if boundary is None:
        return ()
    once = Version(_next(programme.versions), boundary, (item,), loop=False)
    return (once, *_shifted(versions, boundary, boundary + item.frames, gop, once.n + 1))


def swap(
    programme: Programme,
    *,
    at_frame: int,
    items: Sequence[Item],
    at: At = "item",
    entry: int = 0,
    offset: int = 0,
    loop: bool = True,
    seed: int | None = None,
    cycle: int = 0,
) -> tuple[Version, ...]:
    """Give up all that was to come, and play `items` instead.

    A pause is a swap at the next key frame to the one item that is shown meanwhile; `resume`
    ends it.
    """
    step = gop_frames(programme) if at == "key" else 0
    boundary = _boundary(_plain(programme.versions), at_frame, step)
    if boundary is None:
        # What has ended leaves nothing behind that could be cut in the wrong place.
        boundary = max(at_frame, programme.versions[-1].effective_from + 1)
    return (
        Version(
            n=_next(programme.versions), effective_from=boundary, items=tuple(items), entry=entry,
            offset=offset, loop=loop, seed=seed, cycle=cycle,
        ),
    )  # fmt: skip


def resume(programme: Programme, *, at_frame: int, stopped_at: int) -> tuple[Version, ...]:
    """Go on, at the next key frame, with what was to show at `stopped_at`, from its key frame.

    `programme` is the one with the pause in it, and `stopped_at` where the pause began.
    """
    before = tuple(v for v in programme.versions if v.effective_from < stopped_at)
    found = find(before, stopped_at)
    boundary = _boundary(programme.versions, at_frame, gop_frames(programme))
    if found is None or boundary is None:
        return ()
    step = gop_frames(programme)
    version, play = before[found.index], found.play
    return (
        replace(
            version, n=_next(programme.versions), effective_from=boundary, entry=play.place,
            cycle=play.cycle, offset=play.into // step * step,
        ),
    )  # fmt: skip


def undo(
    programme: Programme, *, before: Sequence[Version], since: int, at_frame: int
) -> tuple[Version, ...]:
    """Go on as `before`, the versions without an edit that began at `since`, would have gone on.

    An edit that has not begun at `at_frame` leaves no trace. One that has is left at the next key
    frame for what it had cut off, from where it was cut.
    """
    return _undo(programme.versions, before, since, at_frame, gop_frames(programme))


def follow(
    programme: Programme,
    *,
    at_frame: int,
    items: Sequence[Item],
    loop: bool = True,
    seed: int | None = None,
) -> tuple[Version, ...]:
    """Replace the list by `items` where an item ends, and go on with what follows it there.

    That is how entries are added, removed and reordered. When the current entry is gone, or
    something else was to come next than its successor, such as after a jump, it is what would
    have come next, or what followed that in the old order. A shuffled list begins its next cycle,
    unless entries and seed are what they were.
    """
    return _follow(
        programme.versions,
        at_frame,
        gop_frames(programme),
        lambda n, boundary, entry, cycle: Version(
            n, boundary, tuple(items), entry=entry, loop=loop, seed=seed, cycle=cycle
        ),
    )


# -- the sound of radio mode --------------------------------------------------------------------


def skip_sound(programme: Programme, *, at_frame: int) -> tuple[SoundVersion, ...]:
    """Cut the sound that plays at AAC frame `at_frame` short there."""
    return _skip(programme.sound_versions, at_frame, 1)


def jump_sound(
    programme: Programme,
    *,
    at_frame: int,
    entry: int,
    cycle: int | None = None,
    at: At = "key",
    version: int | None = None,
) -> tuple[SoundVersion, ...]:
    """Go on with position `entry` of the sounds, at once or where the current one ends."""
    return _jump(programme.sound_versions, at_frame, at, 1, entry, cycle, version)


def jumpable_sounds(
    programme: Programme, *, at_frame: int, at: At = "key"
) -> tuple[SoundVersion, ...]:
    """`jumpable` for the sound; frames are AAC frames."""
    return _jumpable(programme.sound_versions, at_frame, 1 if at == "key" else 0)


def kept_sound(programme: Programme, *, at_frame: int) -> tuple[SoundVersion, ...]:
    """`kept` for the sound; frames are AAC frames."""
    return _kept(programme.sound_versions, at_frame, 1)


def play_sound_next(
    programme: Programme, *, at_frame: int, sound: Sound
) -> tuple[SoundVersion, ...]:
    """Play `sound` once where the one that plays at AAC frame `at_frame` ends."""
    versions = _plain(programme.sound_versions)
    boundary = _boundary(versions, at_frame, 0)
    if boundary is None:
        return ()
    once = SoundVersion(_next(programme.sound_versions), boundary, (sound,), loop=False)
    return (once, *_shifted(versions, boundary, boundary + sound.frames, 1, once.n + 1))


def swap_sounds(
    programme: Programme,
    *,
    at_frame: int,
    sounds: Sequence[Sound],
    at: At = "item",
    entry: int = 0,
    loop: bool = True,
    seed: int | None = None,
    cycle: int = 0,
) -> tuple[SoundVersion, ...]:
    """Give up all sound that was to come, and play `sounds` instead."""
    versions = programme.sound_versions
    boundary = _boundary(_plain(versions), at_frame, 1 if at == "key" else 0)
    if boundary is None:
        boundary = max(at_frame, versions[-1].effective_from + 1 if versions else 0)
    return (
        SoundVersion(
            n=_next(versions), effective_from=boundary, sounds=tuple(sounds), entry=entry,
            loop=loop, seed=seed, cycle=cycle,
        ),
    )  # fmt: skip


def undo_sound(
    programme: Programme, *, before: Sequence[SoundVersion], since: int, at_frame: int
) -> tuple[SoundVersion, ...]:
    """`undo` for the sound; frames are AAC frames."""
    return _undo(programme.sound_versions, before, since, at_frame, 1)


def follow_sounds(
    programme: Programme,
    *,
    at_frame: int,
    sounds: Sequence[Sound],
    loop: bool = True,
    seed: int | None = None,
) -> tuple[SoundVersion, ...]:
    """`follow` for the sound; frames are AAC frames."""
    return _follow(
        programme.sound_versions,
        at_frame,
        1,
        lambda n, boundary, entry, cycle: SoundVersion(
            n, boundary, tuple(sounds), entry=entry, loop=loop, seed=seed, cycle=cycle
        ),
    )


# -- both ---------------------------------------------------------------------------------------


def _next(versions: Sequence[V]) -> int:
    return max((version.n for version in versions), default=0) + 1


def _plain(versions: Sequence[V]) -> tuple[V, ...]:
    """The versions without those that only go on as the one before them would have gone on.

    Such as an edit leaves that was taken back before it began: what they begin within is still
    one play, which ends where it would have ended.
    """
    plain: list[V] = []
    for version in versions:
        if not plain or not _continues(plain[-1], version):
            plain.append(version)
    return tuple(plain)


def _continues(before: V, version: V) -> bool:
    found = find((before,), version.effective_from)
    if found is None or (before.loop, before.seed) != (version.loop, version.seed):
        return False
    play = found.play
    return (play.cycle, play.place, play.into) == (
        version.cycle, version.entry, version.offset,
    ) and tuple(before.entries) == tuple(version.entries)  # fmt: skip


def _boundary(versions: Sequence[V], at_frame: int, step: int) -> int | None:
    """The first instant from `at_frame` on at which something new may begin.

    `step` counts frames between key frames; 0 waits for the end of the entry. None when nothing
    is on then.
    """
    if versions and at_frame < versions[0].effective_from:
        return versions[0].effective_from
    found = find(versions, at_frame)
    if found is None or found.begin == at_frame:
        return None if found is None else at_frame
    if not step:
        return found.end
    return min(found.end, found.start + -(-(at_frame - found.start) // step) * step)


def _kept(versions: Sequence[V], at_frame: int, step: int) -> tuple[V, ...]:
    n, versions = _next(versions), _plain(versions)
    boundary = _boundary(versions, at_frame, step)
    return () if boundary is None else _shifted(versions, boundary, boundary, step, n)


def _undo(
    versions: Sequence[V], before: Sequence[V], since: int, at_frame: int, step: int
) -> tuple[V, ...]:
    to = since
    if since < at_frame:
        boundary = _boundary(_plain(versions), at_frame, step)
        if boundary is None:
            return ()
        to = boundary
    return _shifted(_plain(before), since, to, step, _next(versions))


def _skip(versions: Sequence[V], at_frame: int, step: int) -> tuple[V, ...]:
    n, versions = _next(versions), _plain(versions)
    found = find(versions, at_frame)
    if found is None:
        return ()
    # What only begins at `at_frame` shows its first group: cutting there would leave no trace.
    boundary = _boundary(versions, max(at_frame, found.begin + 1), step)
    if boundary is None or boundary >= found.end:
        return ()
    return _shifted(versions, found.end, boundary, step, n)


def _jumpable(versions: Sequence[V], at_frame: int, step: int) -> tuple[V, ...]:
    versions = _plain(versions)
    boundary = _boundary(versions, at_frame, step)
    if boundary is None:
        return ()
    found = find(versions, boundary) or find(versions, boundary - 1)
    if found is None:
        return ()
    lists: list[V] = []
    for version in reversed(versions[found.index :]):
        lists.append(version)
        if not _is_single(version):
            break
    # What is on already comes last: it is to be begun again only when nothing else is meant.
    on, *coming = versions[found.index :]
    for version in [*coming, on]:
        if _is_single(version) and version not in lists:
            lists.append(version)
    return tuple(lists)


def _jump(
    versions: Sequence[V],
    at_frame: int,
    at: At,
    gop: int,
    entry: int,
    cycle: int | None,
    number: int | None = None,
) -> tuple[V, ...]:
    n, versions = _next(versions), _plain(versions)
    boundary = _boundary(versions, at_frame, gop if at == "key" else 0)
    if boundary is None:
        return ()
    found = find(versions, boundary) or find(versions, boundary - 1)
    if found is None:
        return ()
    after = _behind_what_plays_once(versions, found.index)
    if after != found.index:
        # Nobody jumps within a single item: what is meant is the list behind it.
        found = find(versions, versions[after].effective_from) or found
    version = versions[found.index]
    if number is not None:
        index = next((i for i, v in enumerate(versions) if v.n == number), found.index)
        version = versions[index]
        if _is_single(version) and index + 1 < len(versions):
            start = version.effective_from - version.offset
            behind = list(versions[index:])
            behind[0] = replace(version, effective_from=start, offset=0)
            return _shifted(behind, start, boundary, gop, n)
    if not 0 <= entry < version.orders.plays:
        raise ProgrammeError(f"Version {version.n} has no position {entry} to jump to.")
    return (
        replace(
            version, n=n, effective_from=boundary, entry=entry, offset=0,
            cycle=found.play.cycle if cycle is None else cycle,
        ),
    )  # fmt: skip


def _shifted(versions: Sequence[V], since: int, to: int, step: int, n: int) -> tuple[V, ...]:
    """All that the versions bring from `since` on, as versions that begin at `to`.

    They are plain ones, and the new ones are numbered from `n` on.
    """
    found = find(versions, since)
    if found is None:
        return ()
    version, play, by = versions[found.index], found.play, to - since
    moved = [
        replace(
            version, n=n, effective_from=to, entry=play.place, offset=play.into, cycle=play.cycle
        )
    ]
    for index in range(found.index + 1, len(versions)):
        own = versions[index].effective_from
        if _begins_at_join(versions, index):
            begin = own + by
        else:
            # What plays once and was brought forward has run out by then, perhaps.
            begin = min(own, _runs_out(moved[-1]) or own)
            begin = _boundary(moved, max(begin, to + 1), step) or begin
            # What was put off until after it never comes.
            while len(moved) > 1 and moved[-1].effective_from >= begin:
                moved.pop()
            by = begin - own
        if begin > moved[-1].effective_from:
            moved.append(replace(versions[index], n=n + len(moved), effective_from=begin))
    return tuple(moved)


def _begins_at_join(versions: Sequence[V], index: int) -> bool:
    """Whether a version begins where an entry of the one before it ends by itself."""
    before = versions[index - 1]
    begin = versions[index].effective_from
    last = find(versions[:index], begin - 1)
    return last is None or (versions[last.index] is before and last.end == begin)


def _behind_what_plays_once(versions: Sequence[V], index: int) -> int:
    """The version that goes on when this one, and others after it, have played once.

    A single entry is followed even where the next version cuts it short: on its own it would leave
    nothing behind it.
    """
    while (
        index + 1 < len(versions)
        and not versions[index].loop
        and (_is_single(versions[index]) or _begins_at_join(versions, index + 1))
    ):
        index += 1
    return index


def _is_single(version: Version | SoundVersion) -> bool:
    """Whether it is one entry that plays once, such as that of "play next"."""
    return not version.loop and version.orders.plays == 1


def _runs_out(version: V) -> int | None:
    """Where a version has nothing more by itself; None for one that begins again."""
    if version.loop:
        return None
    at = version.effective_from
    while (found := find((version,), at)) is not None:
        at = found.end
    return at


def _follow(
    versions: Sequence[V], at_frame: int, step: int, make: Callable[[int, int, int, int], V]
) -> tuple[V, ...]:
    n, versions = _next(versions), _plain(versions)
    boundary = _boundary(versions, at_frame, 0)
    if boundary is None:
        return ()
    following = find(versions, boundary)
    if following is not None:
        after = _behind_what_plays_once(versions, following.index)
        if after != following.index:
            boundary = versions[after].effective_from
            following = find(versions, boundary)
    new = make(n, boundary, 0, 0)
    current = find(versions, boundary - 1)
    if following is not None:
        old = versions[following.index]
        place, cycle = following.play.place, following.play.cycle
        if new.seed is not None:
            if old.seed == new.seed and _names(old) == _names(new):
                return (make(n, boundary, place, cycle),)
            return (_another_first(versions, current, make(n, boundary, 0, cycle + 1)),)
        ids = [entry.id for entry in new.entries]
        name = _continued(versions, following, boundary)
        if name in ids:
            rounds, entry = divmod(ids.index(name) + 1, len(ids))
            if not rounds or new.loop:
                return (make(n, boundary, entry, rounds),)
        if place or name not in ids:
            # What is left of the round.
            for later in range(place, old.orders.plays):
                coming = old.entries[old.orders.index(cycle, later)].id
                if coming in ids:
                    return (make(n, boundary, ids.index(coming), 0),)
        if name in ids:
            # It was the last of its round, and no other one begins.
            end = make(n, boundary, len(ids) - 1, 0)
            return _last(versions, at_frame, boundary, step, end) or (new,)
    if current is not None and new.seed is None:
        name = versions[current.index].entries[current.play.index].id
        ids = [entry.id for entry in new.entries]
        if name in ids:
            entry = ids.index(name) + 1
            if entry < len(ids):
                return (make(n, boundary, entry, 0),)
            if not new.loop:
                if following is None:
                    return ()
                end = make(n, boundary, entry - 1, 0)
                return _last(versions, at_frame, boundary, step, end) or (new,)
            return (new,)
    if following is None and not new.loop:
        return ()
    return (new,)


def _last(versions: Sequence[V], at_frame: int, boundary: int, step: int, new: V) -> tuple[V, ...]:
    """What is on until `boundary`, and then nothing: the last entry of `new`, or what plays once.

    It goes on with that from a key frame, or, with none left, from any frame of it: nothing else
    is shown before `boundary` either way. None where nothing of it is left from `at_frame` on.
    """
    current = find(versions, boundary - 1)
    if current is None or boundary <= at_frame:
        return ()
    begin = max(at_frame, current.begin)
    key = _boundary(versions, begin, step)
    if key is not None and key < boundary:
        begin = key
    on, play = versions[current.index], current.play
    if on.entries[play.index].id != new.entries[new.entry].id:
        new = replace(on, n=new.n, entry=play.place, cycle=play.cycle)
    return (replace(new, effective_from=begin, offset=begin - current.start),)


def _continued(versions: Sequence[V], following: Found, boundary: int) -> str | None:
    """The entry that ends before `following` begins, when that is its successor in the list.

    What played once in between does not count.
    """
    old, play = versions[following.index], following.play
    place, cycle = (play.place or old.orders.plays) - 1, play.cycle - (not play.place)
    if cycle < 0:
        return None
    name = old.entries[old.orders.index(cycle, place)].id
    before = find(versions, boundary - 1)
    while before is not None and _behind_what_plays_once(versions, before.index) != before.index:
        before = find(versions, versions[before.index].effective_from - 1)
    if before is None or versions[before.index].entries[before.play.index].id != name:
        return None
    return name


def _another_first(versions: Sequence[V], current: Found | None, new: V) -> V:
    """`new`, a shuffled list, from where it does not begin with what plays just before it."""
    if current is None:
        return new
    name = versions[current.index].entries[current.play.index].id
    for cycle in range(new.cycle, new.cycle + _ROUNDS_TRIED):
        if new.entries[new.orders.index(cycle, 0)].id != name:
            return replace(new, cycle=cycle)
    # Two entries alternate: all their rounds begin with the same one.
    for place in range(new.orders.plays):
        if new.entries[new.orders.index(new.cycle, place)].id != name:
            return replace(new, entry=place)
    return new


_ROUNDS_TRIED = 32


def _names(version: Version | SoundVersion) -> list[tuple[str, int]]:
    return [(entry.id, entry.weight) for entry in version.entries]


# -- lists kept elsewhere ----------------------------------------------------------------------


def towards(
    programme: Programme, wanted: Programme, *, at_frame: int, at: At = "item"
) -> Programme:
    """`programme`, on its own time line, brought to play the lists of `wanted` from then on.

    The first version of `wanted` says what is to be played, in which order and whether for ever;
    where it begins means nothing. With `at` "item" the item on air ends first, with "key" it is
    left at the next key frame, and sound of its own at once; either way what follows it in the new
    list is next (see `follow`).
    Filler and slate change at once. Sound that becomes a programme of its own counts from the
    epoch. Versions that were replaced long ago are dropped.
    """
    new = wanted.versions[0]
    changed = replace(programme, filler=wanted.filler, slate=wanted.slate, cards=wanted.cards)
    current = programme.versions[-1]
    if (current.items, current.loop, current.seed) != (new.items, new.loop, new.seed):
        versions = follow(
            programme, at_frame=at_frame, items=new.items, loop=new.loop, seed=new.seed
        )
        if at == "key":
            versions = _cut_short(programme.versions, versions, at_frame, gop_frames(programme))
        changed = replace(changed, versions=_appended(changed.versions, versions))
    aac_frame = audio_boundary(programme, at_frame)
    if not wanted.is_radio or not programme.is_radio:
        changed = replace(changed, sound_versions=wanted.sound_versions)
    else:
        sound, other = wanted.sound_versions[0], programme.sound_versions[-1]
        if (other.sounds, other.loop, other.seed) != (sound.sounds, sound.loop, sound.seed):
            newer = follow_sounds(
                programme, at_frame=aac_frame, sounds=sound.sounds, loop=sound.loop,
                seed=sound.seed,
            )  # fmt: skip
            if at == "key":
                newer = _cut_short(programme.sound_versions, newer, aac_frame, 1)
            changed = replace(changed, sound_versions=_appended(changed.sound_versions, newer))
    keep_from = at_frame - round(_KEPT_SECONDS * programme.video_rate)
    return replace(
        changed,
        versions=_recent(changed.versions, keep_from),
        sound_versions=_recent(
            changed.sound_versions, audio_boundary(programme, max(0, keep_from))
        ),
    )


def _cut_short(
    versions: Sequence[V], newer: tuple[V, ...], at_frame: int, step: int
) -> tuple[V, ...]:
    """`newer`, which would begin where an entry ends, at the next key frame instead.

    An entry that nothing follows is played to its end.
    """
    boundary = _boundary(_plain(versions), at_frame, step)
    if not newer or newer[0].offset or boundary is None:
        return newer
    return (replace(newer[0], effective_from=boundary),)


_KEPT_SECONDS = 120
"""A session that opens now begins no further back than its lead and one group of pictures."""


def _recent(versions: tuple[V, ...], since: int) -> tuple[V, ...]:
    first = 0
    while first + 1 < len(versions) and versions[first + 1].effective_from <= since:
        first += 1
    return versions[first:]
