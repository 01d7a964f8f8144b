"""Edits as versions: each says what follows, from a key frame or a join on, and nothing else."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from playout.timeline import edits
from playout.timeline.programme import Item, Programme, Sound, SoundVersion, Version
from playout.timeline.resolve import placement_at, sound_at

RATE, AAC = Fraction(30), Fraction(44100, 1024)
GOP = 60
ITEMS = {name: Item(name, f"/{name}", f"/{name}", n) for name, n in
         {"a": 300, "b": 240, "c": 450, "d": 95, "x": 130}.items()}  # fmt: skip


def programme(names="abc", *, loop=True, seed=None):
    items = tuple(ITEMS[name] for name in names)
    return Programme(0, RATE, AAC, (Version(1, 0, items, loop=loop, seed=seed),), profile="480p30")


def shown(programme, since, until):
    """(item, first frame of its track, frames) from `since` to `until`."""
    found, frame = [], since
    while frame < until:
        placement = placement_at(programme, frame)
        if placement is None:
            break
        end = min(placement.end, until)
        found.append((placement.item.id, frame - placement.start, end - frame))
        frame = end
    return found


def shown_whole(programme, since, until):
    """The same, with each play told once however many versions it goes through."""
    found = []
    for name, first, frames in shown(programme, since, until):
        if found and found[-1][0] == name and found[-1][1] + found[-1][2] == first:
            found[-1] = (name, found[-1][1], found[-1][2] + frames)
        else:
            found.append((name, first, frames))
    return found


def test_a_skip_goes_on_with_the_next_item_at_the_next_key_frame():
    after = edits.appended(programme(), edits.skip(programme(), at_frame=100))
    assert shown(after, 0, 800) == [("a", 0, 120), ("b", 0, 240), ("c", 0, 440)]


def test_a_skip_in_the_last_group_of_an_item_changes_nothing():
    assert edits.skip(programme(), at_frame=270) == ()
    assert edits.skip(programme("a", loop=False), at_frame=30) == ()


def test_a_jump_goes_where_it_is_told():
    versions = edits.jump(programme(), at_frame=61, entry=2)
    after = edits.appended(programme(), versions)
    assert shown(after, 0, 900) == [("a", 0, 120), ("c", 0, 450), ("a", 0, 300), ("b", 0, 30)]
    later = edits.jump(programme(), at_frame=61, entry=2, at="item")
    assert later[0].effective_from == 300


def test_play_next_plays_once_and_the_list_goes_on():
    after = edits.appended(programme(), edits.play_next(programme(), at_frame=10, item=ITEMS["x"]))
    assert shown(after, 0, 1000) == [
        ("a", 0, 300), ("x", 0, 130), ("b", 0, 240), ("c", 0, 330),
    ]  # fmt: skip


def test_a_skip_brings_what_was_to_play_next():
    first = edits.appended(programme(), edits.play_next(programme(), at_frame=10, item=ITEMS["x"]))
    after = edits.appended(first, edits.skip(first, at_frame=100))
    assert shown(after, 0, 800) == [("a", 0, 120), ("x", 0, 130), ("b", 0, 240), ("c", 0, 310)]


def test_a_swap_at_a_time_of_its_own_keeps_it_when_something_is_skipped_before():
    first = edits.appended(
        programme(), edits.swap(programme(), at_frame=1000, items=[ITEMS["x"]], at="key")
    )
    assert first.versions[-1].effective_from == 1050
    after = edits.appended(first, edits.skip(first, at_frame=130))
    assert after.versions[-1].items == (ITEMS["x"],)
    begin = after.versions[-1].effective_from
    before = placement_at(after, begin - 1)
    assert 1050 <= begin < 1050 + GOP
    assert (begin - before.start) % GOP == 0


def test_a_list_swaps_at_the_end_of_an_item_or_at_a_key_frame():
    for at, begin in (("item", 300), ("key", 120)):
        versions = edits.swap(programme(), at_frame=70, items=[ITEMS["c"], ITEMS["d"]], at=at)
        after = edits.appended(programme(), versions)
        assert shown(after, 0, begin + 500) == [("a", 0, begin), ("c", 0, 450), ("d", 0, 50)]


def test_a_pause_ends_where_it_began():
    pause = edits.swap(programme(), at_frame=61, items=[ITEMS["x"]], at="key")
    paused = edits.appended(programme(), pause)
    after = edits.appended(
        paused, edits.resume(paused, at_frame=500, stopped_at=pause[0].effective_from)
    )
    assert shown(after, 0, 900) == [
        ("a", 0, 120), ("x", 0, 130), ("x", 0, 130), ("x", 0, 120), ("a", 120, 180), ("b", 0, 220),
    ]  # fmt: skip


def test_what_has_not_begun_is_undone_without_a_trace():
    first = edits.appended(programme(), edits.play_next(programme(), at_frame=10, item=ITEMS["x"]))
    skipped = edits.skip(first, at_frame=61)
    undone = edits.undo(
        edits.appended(first, skipped),
        before=first.versions, since=skipped[0].effective_from, at_frame=70,
    )  # fmt: skip
    after = edits.appended(edits.appended(first, skipped), undone)
    # The cut is no join: one play of "a" is told as two placements that touch.
    assert shown(after, 0, 1000)[2:] == shown(first, 0, 1000)[1:]
    assert shown(after, 0, 300) == [("a", 0, 120), ("a", 120, 180)]


def test_what_has_begun_is_undone_by_going_on_where_it_was_cut():
    skipped = edits.skip(programme(), at_frame=61)
    skipped_on = edits.appended(programme(), skipped)
    undone = edits.undo(skipped_on, before=programme().versions, since=120, at_frame=200)
    after = edits.appended(skipped_on, undone)
    assert shown(after, 0, 700) == [
        ("a", 0, 120), ("b", 0, 120), ("a", 120, 180), ("b", 0, 240), ("c", 0, 40)
    ]  # fmt: skip


def test_an_edited_list_goes_on_with_what_follows_the_current_item_in_it():
    for names, wanted in (
        ("acb", "c"), ("adbc", "d"), ("ca", "c"), ("cda", "c"), ("xad", "d"), ("abcd", "b"),
        ("bcad", "d"), ("a", "a"),
    ):  # fmt: skip
        items = [ITEMS[name] for name in names]
        after = edits.appended(programme(), edits.follow(programme(), at_frame=9, items=items))
        assert shown(after, 0, 301)[1][0] == wanted, names


def test_when_the_current_item_is_gone_what_would_have_come_next_comes():
    for names, wanted in (("cb", "b"), ("xc", "c"), ("xd", "x"), ("x", "x")):
        items = [ITEMS[name] for name in names]
        after = edits.appended(programme(), edits.follow(programme(), at_frame=9, items=items))
        assert shown(after, 0, 301)[1][0] == wanted, names


def test_a_second_edit_during_the_same_item_counts_from_that_item_too():
    line = programme()
    for names in ("acb", "a", "bca", "adbc"):
        items = [ITEMS[name] for name in names]
        line = edits.appended(line, edits.follow(line, at_frame=9, items=items))
    assert [name for name, _, _ in shown(line, 0, 1000)][:3] == ["a", "d", "b"]


def test_the_order_counts_also_behind_what_plays_once_and_after_the_last_item():
    line = edits.appended(programme(), edits.play_next(programme(), at_frame=10, item=ITEMS["x"]))
    items = [ITEMS[name] for name in "adbc"]
    after = edits.appended(line, edits.follow(line, at_frame=20, items=items))
    assert [name for name, _, _ in shown(after, 0, 1000)][:4] == ["a", "x", "d", "b"]
    # During "c", the last one, "d" is put on top.
    last = placement_at(programme(), 0).item.frames + ITEMS["b"].frames + 9
    assert placement_at(programme(), last).item.id == "c"
    items = [ITEMS[name] for name in "dabc"]
    after = edits.appended(programme(), edits.follow(programme(), at_frame=last, items=items))
    shows = [name for name, _, _ in shown(after, 0, 2000)]
    assert shows[:5] == ["a", "b", "c", "d", "a"]


def test_where_a_jump_leads_is_kept_when_the_list_changes_before_it():
    line = programme("abcd")
    line = edits.appended(line, edits.jump(line, at_frame=9, entry=3, at="item"))
    items = [ITEMS[name] for name in "acdb"]
    after = edits.appended(line, edits.follow(line, at_frame=20, items=items))
    assert [name for name, _, _ in shown(after, 0, 2000)][:3] == ["a", "d", "b"]


def test_a_list_that_ends_is_not_cut_off_when_the_current_item_moves_to_its_end():
    once = programme("abc", loop=False)
    items = [ITEMS[name] for name in "bca"]
    after = edits.appended(once, edits.follow(once, at_frame=9, items=items, loop=False))
    assert [name for name, _, _ in shown(after, 0, 5000)] == ["a", "b", "c", "a"]


def test_an_edit_waits_for_what_was_to_play_next():
    first = edits.appended(programme(), edits.play_next(programme(), at_frame=10, item=ITEMS["x"]))
    items = [ITEMS["b"], ITEMS["d"]]
    after = edits.appended(first, edits.follow(first, at_frame=20, items=items))
    assert [name for name, _, _ in shown(after, 0, 1000)] == ["a", "x", "b", "d", "b"]


def test_a_list_that_ends_needs_no_edit_unless_something_new_follows():
    once = programme("ab", loop=False)
    items = [ITEMS["a"], ITEMS["b"]]
    assert edits.follow(once, at_frame=400, items=items, loop=False) == ()
    after = edits.appended(
        once, edits.follow(once, at_frame=400, items=[*items, ITEMS["c"]], loop=False)
    )
    assert [name for name, _, _ in shown(after, 0, 5000)] == ["a", "b", "c"]


def test_a_list_that_begins_no_more_ends_with_the_item_that_is_its_last():
    for names, at, wanted in (("bda", 250, "bd"), ("ab", 310, "ab"), ("a", 9, "a")):
        line = programme(names)
        items = [ITEMS[name] for name in wanted]
        after = edits.appended(line, edits.follow(line, at_frame=at, items=items, loop=False))
        assert [name for name, _, _ in shown_whole(after, 0, 5000)] == list(wanted), names
        # What was to play once still does.
        once = edits.appended(line, edits.play_next(line, at_frame=at, item=ITEMS["x"]))
        after = edits.appended(once, edits.follow(once, at_frame=at, items=items, loop=False))
        assert [name for name, _, _ in shown_whole(after, 0, 5000)] == [*wanted, "x"], names


def test_a_shuffled_list_that_changes_begins_its_next_cycle():
    line = programme("abcd", seed=4)
    version = edits.follow(line, at_frame=10, items=[*line.versions[0].items, ITEMS["x"]], seed=4)
    assert (version[0].cycle, version[0].entry, version[0].seed) == (1, 0, 4)
    same = edits.follow(line, at_frame=10, items=line.versions[0].items, seed=4)
    assert (same[0].cycle, same[0].entry) == (0, 1)
    after = edits.appended(line, same)
    assert shown(after, 0, 9000) == shown(line, 0, 9000)


@pytest.mark.parametrize("names", ["abc", "ab", "abcd"])
@pytest.mark.parametrize("seed", range(6))
def test_a_list_that_begins_to_be_shuffled_does_not_repeat_what_is_on(names, seed):
    line = programme(names)
    on = placement_at(line, 9).item.id
    after = edits.appended(
        line, edits.follow(line, at_frame=9, items=line.versions[0].items, seed=seed)
    )
    assert shown(after, 0, 301)[1][0] != on


def test_what_is_added_to_a_single_item_comes_behind_it():
    for names, wanted in (("ab", "b"), ("cab", "b"), ("ca", "c"), ("a", "a")):
        alone = programme("a")
        items = [ITEMS[name] for name in names]
        after = edits.appended(alone, edits.follow(alone, at_frame=9, items=items))
        assert shown(after, 0, 301)[1][0] == wanted, names


def test_a_jump_finds_its_list_behind_what_plays_once_and_none_that_was_given_up():
    swapped = edits.appended(
        programme(), edits.swap(programme(), at_frame=9, items=[ITEMS["c"], ITEMS["d"]], at="key")
    )
    assert [v.n for v in edits.jumpable(swapped, at_frame=70)] == [2]
    first = edits.appended(programme(), edits.play_next(programme(), at_frame=10, item=ITEMS["x"]))
    assert [v.n for v in edits.jumpable(first, at_frame=70)] == [3, 2]
    ends = programme("a", loop=False)
    last = edits.appended(ends, edits.play_next(ends, at_frame=10, item=ITEMS["x"]))
    assert [v.n for v in edits.jumpable(last, at_frame=70)] == [2, 1]
    to = edits.jump(last, at_frame=70, entry=0, version=1)
    assert (to[0].items, to[0].effective_from) == (ends.versions[0].items, 120)


def test_a_jump_brings_forward_what_is_to_play_once_and_what_follows_it():
    line = programme()
    for name in "xd":
        line = edits.appended(line, edits.play_next(line, at_frame=10, item=ITEMS[name]))
    assert [name for name, _, _ in shown(line, 0, 900)] == ["a", "d", "x", "b", "c"]
    numbers = {v.items[0].id: v.n for v in edits.jumpable(line, at_frame=70)[1:]}
    for name, rest in (("d", ["d", "x", "b"]), ("x", ["x", "b", "c"])):
        for at, begin in (("key", 120), ("item", 300)):
            versions = edits.jump(line, at_frame=70, entry=0, at=at, version=numbers[name])
            after = shown(edits.appended(line, versions), 0, 1000)
            assert after[0] == ("a", 0, begin), (name, at)
            assert [each for each, _, _ in after[1:4]] == rest, (name, at)


def test_a_jump_to_what_plays_once_while_it_plays_begins_it_again():
    line = edits.appended(programme(), edits.play_next(programme(), at_frame=10, item=ITEMS["x"]))
    once = edits.jumpable(line, at_frame=310)[-1]
    after = edits.appended(line, edits.jump(line, at_frame=310, entry=0, version=once.n))
    assert shown(after, 0, 700) == [("a", 0, 300), ("x", 0, 60), ("x", 0, 130), ("b", 0, 210)]


def test_what_is_kept_leaves_no_trace():
    line = edits.appended(programme(), edits.play_next(programme(), at_frame=10, item=ITEMS["x"]))
    for at in (20, 130, 310, 500):
        after = edits.appended(line, edits.kept(line, at_frame=at))
        assert after != line
        for frame in range(0, 1500, 7):
            one, other = placement_at(line, frame), placement_at(after, frame)
            assert (one.item, one.start) == (other.item, other.start)


def test_a_list_read_again_cuts_pictures_and_sound_short_where_that_is_asked_for():
    def radio(names, sounds):
        return replace(
            programme(names),
            sound_versions=(SoundVersion(1, 0, tuple(Sound(s, f"/{s}", 900) for s in sounds)),),
        )

    line = radio("ab", "st")
    for at, cut, until in (("item", 300, 900), ("key", 120, 145)):
        after = edits.towards(line, radio("dx", "u"), at_frame=101, at=at)
        assert shown(after, 0, 400)[:2] == [("a", 0, cut), ("d", 0, min(95, 400 - cut))]
        assert [sound_at(after, n).item_id for n in (until - 1, until)] == ["s", "u"]


def test_sounds_are_skipped_and_swapped_in_the_middle():
    sounds = tuple(Sound(name, f"/{name}", n) for name, n in (("s", 100), ("t", 70), ("u", 50)))
    radio = Programme(0, RATE, AAC, (Version(1, 0, (ITEMS["a"],)),), (SoundVersion(1, 0, sounds),))

    def heard(line, until):
        found, at = [], 0
        while at < until:
            sound = sound_at(line, at)
            found.append((sound.item_id, sound.begin - sound.start, min(until, sound.end) - at))
            at = sound.end
        return found

    def after(versions):
        return edits.appended(radio, sound_versions=versions)

    assert heard(after(edits.skip_sound(radio, at_frame=33)), 150) == [
        ("s", 0, 33), ("t", 0, 70), ("u", 0, 47),
    ]  # fmt: skip
    extra = Sound("x", "/x", 20)
    assert heard(after(edits.play_sound_next(radio, at_frame=33, sound=extra)), 200) == [
        ("s", 0, 100), ("x", 0, 20), ("t", 0, 70), ("u", 0, 10),
    ]  # fmt: skip
    assert heard(after(edits.swap_sounds(radio, at_frame=33, sounds=[extra], at="key")), 60) == [
        ("s", 0, 33), ("x", 0, 20), ("x", 0, 7),
    ]  # fmt: skip
    assert heard(after(edits.jump_sound(radio, at_frame=33, entry=2, at="item")), 160) == [
        ("s", 0, 100), ("u", 0, 50), ("s", 0, 10),
    ]  # fmt: skip
    assert heard(after(edits.follow_sounds(radio, at_frame=33, sounds=sounds[::-1])), 160) == [
        ("s", 0, 100), ("u", 0, 50), ("t", 0, 10),
    ]  # fmt: skip


NAMES = st.lists(st.sampled_from("abcdx"), min_size=1, max_size=5, unique=True)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["skip", "jump", "next", "swap", "swap-key", "follow", "shuffle"]),
        st.integers(0, 400),
        NAMES,
    ),
    max_size=12,
)


def change(line, kind, at, items, seed):
    match kind:
        case "skip":
            return edits.skip(line, at_frame=at)
        case "jump":
            return edits.jump(line, at_frame=at, entry=0)
        case "next":
            return edits.play_next(line, at_frame=at, item=items[0])
        case "swap" | "swap-key":
            cut = "key" if kind == "swap-key" else "item"
            return edits.swap(line, at_frame=at, items=items, at=cut)
        case "follow":
            return edits.follow(line, at_frame=at, items=items)
        case _:
            return edits.follow(line, at_frame=at, items=items, seed=seed)


@given(
    NAMES, st.booleans(), NAMES, st.booleans(), st.none() | st.integers(0, 9),
    st.integers(0, 2000),
)  # fmt: skip
# "c" is taken out while "b" is on, just in its last group of pictures.
@example("abc", False, "ab", False, None, 535)
def test_what_was_taken_out_is_shown_no_more(names, loop, wanted, again, seed, at):
    line = programme(names, loop=loop)
    on = placement_at(line, at)
    items = [ITEMS[name] for name in wanted]
    versions = edits.follow(line, at_frame=at, items=items, loop=again, seed=seed)
    after = edits.appended(line, versions)
    if on is None:
        return
    end = on.end if at > on.start else at
    assert shown_whole(after, 0, end) == shown_whole(line, 0, end)
    behind = shown(after, end, end + 3000)
    assert {name for name, _, _ in behind} <= set(wanted)
    assert bool(behind) or not again


@given(NAMES, EDITS)
def test_any_edits_leave_a_line_without_a_hole_cut_at_key_frames_only(names, wanted):
    line, now = programme(names), 0
    for kind, wait, new in wanted:
        now += wait
        at = now + 90
        items = [ITEMS[name] for name in new]
        before = shown(line, 0, at)
        versions = change(line, kind, at, items, wait)
        line = edits.appended(line, versions)
        # Nothing changes sooner than it may.
        assert shown(line, 0, at) == before
        assert [v.n for v in versions] == sorted({v.n for v in versions})
    end = now + 3000
    row = shown(line, 0, end)
    assert sum(frames for _, _, frames in row) == end
    for name, first, frames in row[:-1]:
        cut = first + frames
        assert first % GOP == 0
        assert cut % GOP == 0 or cut == ITEMS[name].frames


@given(NAMES, EDITS, EDITS)
@example("a", [], [("skip", 0, "a"), ("next", 0, "x")])
def test_what_was_undone_before_it_began_leaves_no_trace_in_later_edits(names, first, wanted):
    line, at = programme(names), 90
    for kind, wait, new in first:
        at += wait
        items = [ITEMS[name] for name in new]
        line = edits.appended(line, change(line, kind, at, items, wait))
    edited = line
    for kind, wait, new in wanted:
        at += wait
        items = [ITEMS[name] for name in new]
        versions = change(edited, kind, at, items, wait)
        if versions:
            since = versions[0].effective_from
            before, after = edited.versions, edits.appended(edited, versions)
            undone = edits.undo(after, before=before, since=since, at_frame=at)
            edited = edits.appended(after, undone)
        assert shown_whole(edited, 0, at + 3000) == shown_whole(line, 0, at + 3000)
        assert len({v.n for v in edited.versions}) == len(edited.versions)
        one, other = (
            edits.appended(each, change(each, kind, at, items, wait)) for each in (line, edited)
        )
        assert shown_whole(one, 0, at + 3000) == shown_whole(other, 0, at + 3000)


SOUND_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["skip", "jump", "next", "swap", "follow"]),
        st.integers(1, 100),  # AAC frames until then
        st.integers(-40, 200),  # and ahead of it; less than 0 is too late
        st.lists(st.integers(1, 90), min_size=1, max_size=3),
    ),
    max_size=8,
)


@given(st.lists(st.integers(30, 90), min_size=1, max_size=3), SOUND_EDITS)
# A single sound that another cuts short was jumped into, and nothing followed it.
@example(
    [69],
    [("next", 138, 0, [70]), ("next", 70, 0, [76]), ("skip", 50, 7, [1]), ("jump", 20, 9, [1])],
)
def test_no_edit_of_sound_in_any_order_leaves_silence(lengths, wanted):
    def sounds(frames):
        return tuple(Sound(f"{n}", f"/{n}", length) for n, length in enumerate(frames))

    line = programme("a")
    line = replace(line, sound_versions=(SoundVersion(1, 0, sounds(lengths)),))
    now = 0
    for kind, wait, ahead, frames in wanted:
        now += wait
        at, new = max(0, now + ahead), sounds(frames)
        match kind:
            case "skip":
                versions = edits.skip_sound(line, at_frame=at)
            case "jump":
                versions = edits.jump_sound(line, at_frame=at, entry=0)
            case "next":
                versions = edits.play_sound_next(line, at_frame=at, sound=new[0])
            case "swap":
                versions = edits.swap_sounds(line, at_frame=at, sounds=new, at="key")
            case _:
                versions = edits.follow_sounds(line, at_frame=at, sounds=new)
        line = edits.appended(line, sound_versions=versions)
        silent = [n for n in range(now + 1500) if sound_at(line, n) is None]
        assert silent == []
