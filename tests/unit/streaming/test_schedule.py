from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.streaming import schedule
from playout.errors import ProgrammeError
from playout.timeline.resolve import placement_at

EPOCH = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PROFILE = "480p30-economy@1"
SECOND = 1_000_000_000


@dataclass
class Row:
    n: int = 1
    kind: str = "pictures"
    effective_from: int = 0
    entry: int = 0
    offset: int = 0
    loop: bool = True
    seed: int | None = None
    cycle: int = 0
    items: list = field(default_factory=list)


def entries(*names, seconds=10):
    return [
        {"id": n, "title": n.upper(), "video": f"v-{n}", "audio": f"a-{n}", "frames": 30 * seconds}
        for n in names
    ]


def programme(*rows):
    return schedule.programme(epoch=EPOCH, profile=PROFILE, versions=rows)


def at(seconds):
    return schedule.to_ns(EPOCH + timedelta(seconds=seconds))


def anchor_of_edit(programme, *, items, loop, now_ns, seconds=10):
    """Where a changed list takes over; None when nothing new could be shown."""
    try:
        edit = schedule.follow(
            programme,
            "pictures",
            entries=entries(*items, seconds=seconds),
            loop=loop,
            at_frame=schedule.earliest(programme, "pictures", now_ns=now_ns),
        )
    except schedule.NothingToChange:
        return None
    (version,) = edit.versions
    assert edit.at == schedule.due_at(programme, version.effective_from)
    return schedule.Anchor(version.effective_from, version.entry, version.offset)


def ids_over(programme, seconds, step=1):
    return [placement_at(programme, 30 * second).item.id for second in range(0, seconds, step)]


def test_nanoseconds_and_datetimes_convert_without_loss():
    moment = datetime(2026, 11, 22, 12, 0, 0, 123457, tzinfo=UTC)
    assert schedule.from_ns(schedule.to_ns(moment)) == moment
    assert schedule.to_ns(moment) % 1000 == 0


def test_it_plays_the_rows_in_order_and_loops():
    rows = programme(Row(items=entries("a", "b")))
    assert ids_over(rows, 40, step=10) == ["a", "b", "a", "b"]


def test_it_replaces_track_ids_by_directories():
    rows = schedule.located(programme(Row(items=entries("a"))), lambda track: f"/here/{track}")
    item = rows.versions[0].items[0]
    assert (item.video, item.audio) == ("/here/v-a", "/here/a-a")


def test_a_later_version_replaces_one_that_had_not_begun():
    rows = programme(
        Row(n=1, items=entries("a")),
        Row(n=2, effective_from=600, items=entries("b")),
        Row(n=3, effective_from=300, items=entries("c")),
    )
    assert [version.n for version in rows.versions] == [1, 3]
    assert ids_over(rows, 40, step=10) == ["a", "c", "c", "c"]


def test_it_leaves_out_versions_replaced_long_ago():
    rows = [Row(n=n, effective_from=300 * n, items=entries("a")) for n in range(20)]
    kept = schedule.programme(epoch=EPOCH, profile=PROFILE, versions=rows, since_ns=at(155))
    assert [version.n for version in kept.versions] == [15, 16, 17, 18, 19]


def test_it_refuses_an_offset_behind_the_end_of_its_item():
    with pytest.raises(ProgrammeError):
        programme(Row(items=entries("a"), offset=300))


def test_an_edit_begins_at_the_next_join_with_what_follows_the_current_item_then():
    rows = programme(Row(items=entries("a", "b", "c")))
    anchor = anchor_of_edit(rows, items=["a", "c", "b"], loop=True, now_ns=at(4))
    assert anchor == schedule.Anchor(300, entry=1)
    # The current one is the last now: its list begins again.
    anchor = anchor_of_edit(rows, items=["c", "b", "a"], loop=True, now_ns=at(4))
    assert anchor == schedule.Anchor(300, entry=0)


def test_an_edit_less_than_three_seconds_before_a_join_waits_for_the_one_after():
    rows = programme(Row(items=entries("a", "b", "c")))
    anchor = anchor_of_edit(rows, items=["a", "b", "c", "d"], loop=True, now_ns=at(7.5))
    assert anchor == schedule.Anchor(600, entry=2)


def test_an_edit_exactly_three_seconds_before_a_join_takes_that_join():
    rows = programme(Row(items=entries("a", "b", "c")))
    anchor = anchor_of_edit(rows, items=["a", "b"], loop=True, now_ns=at(7))
    assert anchor == schedule.Anchor(300, entry=1)


def test_when_the_next_item_is_gone_it_goes_on_with_the_one_after():
    rows = programme(Row(items=entries("a", "b", "c")))
    anchor = anchor_of_edit(rows, items=["a", "c"], loop=True, now_ns=at(1))
    assert anchor == schedule.Anchor(300, entry=1)


def test_when_all_that_followed_is_gone_it_follows_the_current_item_in_the_new_order():
    rows = programme(Row(items=entries("a", "b")))
    anchor = anchor_of_edit(rows, items=["x", "a", "y"], loop=True, now_ns=at(1))
    assert anchor == schedule.Anchor(300, entry=2)


def test_a_programme_that_would_end_goes_on_with_what_was_added():
    rows = programme(Row(items=entries("a", "b"), loop=False))
    anchor = anchor_of_edit(rows, items=["a", "b", "c"], loop=False, now_ns=at(12))
    assert anchor == schedule.Anchor(600, entry=2)


def test_a_programme_at_its_last_item_needs_no_version_when_nothing_follows():
    rows = programme(Row(items=entries("a", "b"), loop=False))
    assert anchor_of_edit(rows, items=["b", "a"][:1], loop=False, now_ns=at(12)) is None


def test_switching_the_loop_on_at_the_last_item_goes_back_to_the_top():
    rows = programme(Row(items=entries("a", "b"), loop=False))
    anchor = anchor_of_edit(rows, items=["a", "b"], loop=True, now_ns=at(12))
    assert anchor == schedule.Anchor(600)


def test_it_resumes_at_the_key_frame_before_the_stop():
    rows = programme(Row(items=entries("a", "b")))
    anchor = schedule.anchor_resume(rows, items=[("x", 300), ("b", 300)], stopped_ns=at(15.9))
    assert anchor == schedule.Anchor(0, entry=1, offset=120)


def test_it_resumes_from_the_top_when_the_item_is_gone():
    rows = programme(Row(items=entries("a", "b")))
    assert schedule.anchor_resume(rows, items=[("a", 300)], stopped_ns=at(15)) == schedule.Anchor(0)


def test_it_resumes_at_the_start_of_an_item_that_became_shorter():
    rows = programme(Row(items=entries("a", "b")))
    assert schedule.anchor_resume(rows, items=[("b", 60)], stopped_ns=at(19)) == schedule.Anchor(0)


def test_a_change_while_off_air_begins_at_the_next_key_frame():
    rows = programme(Row(items=entries("a")))
    assert schedule.anchor_now(rows, now_ns=at(12.5)).effective_from == 420


def test_it_tells_now_and_next():
    moment = schedule.moment(programme(Row(items=entries("a", "b"))), now_ns=at(12.5))
    assert moment == schedule.Moment("b", "B", 2500, 10_000, "a", "A")


def test_nothing_is_due_before_the_epoch_or_after_the_end():
    rows = programme(Row(items=entries("a"), loop=False))
    assert schedule.moment(rows, now_ns=at(-1)) is None
    assert schedule.moment(rows, now_ns=at(10)) is None
    assert schedule.has_ended(rows, now_ns=at(10))
    assert not schedule.has_ended(rows, now_ns=at(9.9))
    assert not schedule.has_ended(rows, now_ns=at(-1))


def test_the_tracks_of_the_next_item_are_due_ten_seconds_ahead():
    rows = programme(Row(items=entries("a", "b", seconds=60)))
    assert schedule.tracks_due(rows, now_ns=at(1)) == ("v-a", "a-a")
    assert schedule.tracks_due(rows, now_ns=at(51)) == ("v-a", "a-a", "v-b", "a-b")


def test_every_offered_profile_can_be_scheduled():
    offered = [choice for _, group in schedule.grouped_profile_choices() for choice in group]
    choices = dict(offered)
    assert len(choices) == len(set(choices.values())) == len(offered)
    for profile in choices:
        schedule.programme(epoch=EPOCH, profile=profile, versions=[Row(items=entries("a"))])


NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True)


@given(
    old=NAMES,
    new=NAMES,
    loop=st.booleans(),
    was_loop=st.booleans(),
    now=st.integers(0, 100_000),
    seconds=st.integers(1, 20),
)
def test_an_edit_never_changes_what_is_due_within_three_seconds(
    old, new, loop, was_loop, now, seconds
):
    before = programme(Row(items=entries(*old, seconds=seconds), loop=was_loop))
    now_ns = at(now / 1000)
    anchor = anchor_of_edit(before, items=new, loop=loop, now_ns=now_ns, seconds=seconds)
    if anchor is None:
        return
    after = programme(
        Row(items=entries(*old, seconds=seconds), loop=was_loop),
        Row(
            n=2,
            effective_from=anchor.effective_from,
            entry=anchor.entry,
            offset=anchor.offset,
            loop=loop,
            items=entries(*new, seconds=seconds),
        ),
    )
    assert schedule.due_at(after, anchor.effective_from) >= schedule.from_ns(
        now_ns + schedule.LEAD_NS
    )
    for frame in range(0, anchor.effective_from, 29):
        assert placement_at(after, frame).item.id == placement_at(before, frame).item.id
    # It takes over where an item begins, so every join is at a key frame; or goes on with the item
    # that is on, as the last one.
    taken = placement_at(before, anchor.effective_from)
    if taken is not None and taken.begin != anchor.effective_from:
        goes_on = placement_at(after, anchor.effective_from)
        assert (goes_on.item.id, goes_on.start, goes_on.end) == (
            taken.item.id, taken.start, taken.end,
        )  # fmt: skip
        assert placement_at(after, goes_on.end) is None
