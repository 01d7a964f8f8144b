"""Programmes of a node get the slate of their profile, and do without it if need be."""

import shutil
from dataclasses import replace
from pathlib import Path

from playout.media import TrackKind
from playout.node.slates import Slates
from playout.testing.tracks import programme_of, write_item
from playout.tracks.reader import Track


def test_a_programme_gets_the_slate_of_its_profile(tmp_path):
    plan = programme_of(write_item(tmp_path, "a", 60))
    slates = Slates(tmp_path / "slates")
    slated = slates.added(plan)
    assert replace(slated, slate=None) == plan
    assert Track.open(tmp_path / "slates" / "slate-480p30@1", TrackKind.VIDEO).frames == 120
    assert slates.added(plan).slate is slated.slate
    own = replace(plan, slate=plan.versions[0].items[0])
    assert slates.added(own) is own


def test_a_slate_that_was_deleted_or_did_not_fit_is_unpacked_when_a_minute_has_gone(tmp_path):
    plan = programme_of(write_item(tmp_path, "a", 60))
    now = [0]
    slates = Slates(tmp_path / "slates", monotonic_ns=lambda: now[0])
    (tmp_path / "slates").write_text("in the way")
    assert slates.added(plan) is plan
    (tmp_path / "slates").unlink()
    assert slates.added(plan) is plan, "a disk that is full is not tried for each stream"
    for _ in range(2):
        now[0] += 60 * 10**9
        slate = slates.added(plan).slate
        assert slate is not None
        assert Track.open(Path(slate.video), TrackKind.VIDEO).frames == slate.frames
        shutil.rmtree(tmp_path / "slates")


def test_without_a_slate_it_goes_on_air_all_the_same(tmp_path):
    plan = programme_of(write_item(tmp_path, "a", 60))
    blocked = tmp_path / "blocked"
    blocked.write_text("no directory")
    assert Slates(blocked).added(plan) is plan
    strange = replace(plan, profile="strange@1")
    assert Slates(tmp_path / "slates").added(strange) is strange
