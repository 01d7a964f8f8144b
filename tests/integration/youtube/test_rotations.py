"""Days of archives: broadcasts follow each other, and viewers never see a gap."""

import pytest

from apps.youtube.models import Broadcast, IngestKey, Show
from apps.youtube.services import shows

pytestmark = pytest.mark.django_db

ARCHIVE_S = 11.5 * 3600
HANDED_OVER_S = 1800
TIMES = pytest.mark.parametrize("count", [3, pytest.param(10, marks=pytest.mark.slow)])


def run_rotations(stage, stream, channel, count):
    """Go live with archives; how many connections there were half an hour after each rotation."""
    show = shows.describe(
        workspace=stream.workspace, subject=stream.pk, name="Rain", channel=channel,
        policy="archives",
    )  # fmt: skip
    shows.go_live(show=show)
    stage.run(until=lambda: stage.broadcasts("live"), seconds=120)
    stage.gaps.clear()
    connections = []
    for done in range(1, count + 1):
        stage.run(
            until=lambda done=done: len(stage.broadcasts("complete")) == done,
            seconds=12 * 3600,
            sweep_every=7200,
        )
        stage.run(seconds=HANDED_OVER_S, sweep_every=900)
        connections.append(sorted(stage.feeds))
    ended = stage.broadcasts("complete")
    assert all(one["has_archive"] for one in ended)
    assert max(one["ended_at"] - one["live_at"] for one in ended) < ARCHIVE_S
    assert len(stage.broadcasts("live")) == 1
    assert stage.dark_s() == 0.0
    return connections


@TIMES
def test_rotations_on_one_connection(stage, stream, channel, count):
    connections = run_rotations(stage, stream, channel, count)
    assert stage.gaps == []
    assert {len(one) for one in connections} == {1}
    assert len({one[0] for one in connections}) == 1
    assert Show.objects.get().shares_key


@pytest.mark.parametrize(
    "stage", [{"broadcasts_per_key": 1, "refuses_sharing_at": "transition"}], indirect=True
)
@TIMES
def test_rotations_where_a_key_is_not_shared(stage, stream, channel, count):
    connections = run_rotations(stage, stream, channel, count)
    # Both keys in turn, and never both for longer than the hand-over.
    assert {len(one) for one in connections} == {1}
    assert connections[0] == connections[2] != connections[1]
    assert len({one[0] for one in connections}) == 2
    assert IngestKey.objects.count() == 2
    # What YouTube then ends by itself is replaced on the key that is in use, without a gap.
    stage.gaps.clear()
    stage.act(f"broadcasts/{stage.broadcasts('live')[0]['id']}/complete")
    stage.run(until=lambda: stage.broadcasts("live"), seconds=180)
    stage.run(seconds=300)
    assert stage.gaps == []
    assert sorted(stage.feeds) == connections[-1]


def test_an_archive_is_as_long_as_it_was_live_at_youtube(stage, stream, channel):
    show = shows.describe(
        workspace=stream.workspace, subject=stream.pk, name="Rain", channel=channel,
        policy="archives",
    )  # fmt: skip
    shows.go_live(show=show)
    stage.run(until=lambda: stage.broadcasts("liveStarting", "live"), seconds=120)
    # It goes live while nobody can ask, and we come to know of it 45 minutes later.
    stage.set(api="down")
    stage.run(seconds=2700, sweep_every=3600)
    assert Broadcast.objects.get().live_at is None
    stage.set(api="up")
    stage.run(until=lambda: stage.broadcasts("complete"), seconds=12 * 3600, sweep_every=7200)
    (ended,) = stage.broadcasts("complete")
    assert ended["ended_at"] - ended["live_at"] < ARCHIVE_S
    assert ended["has_archive"]
    assert stage.dark_s() == 0.0
