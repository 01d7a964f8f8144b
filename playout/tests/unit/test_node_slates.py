"""Programmes of a node get the slate of their profile, and do without it if need be."""

from dataclasses import replace

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


def test_without_a_slate_it_goes_on_air_all_the_same(tmp_path):
    plan = programme_of(write_item(tmp_path, "a", 60))
    blocked = tmp_path / "blocked"
    blocked.write_text("no directory")
    assert Slates(blocked).added(plan) is plan
    strange = replace(plan, profile="strange@1")
    assert Slates(tmp_path / "slates").added(strange) is strange
