"""Answers that never come: what was asked for exists once, whatever seed decides which are lost."""

import pytest

from apps.youtube.models import Broadcast, IngestKey
from apps.youtube.services import shows

pytestmark = pytest.mark.django_db

FEW, ALL = range(1, 4), range(4, 101)


def exactly_one(stage, show):
    shows.go_live(show=show)
    stage.run(
        until=lambda: Broadcast.objects.filter(lifecycle="live", ended_at=None).exists(),
        seconds=1800,
    )
    stage.set(lost_answers=0.0)
    stage.run(seconds=60)
    assert [one["state"] for one in stage.broadcasts()] == ["live"]
    assert len(stage.state()["streams"]) == IngestKey.objects.count() == 1
    assert stage.gaps == []


def lossy(seeds):
    return [{"seed": seed, "lost_answers": 0.4} for seed in seeds]


@pytest.mark.parametrize("stage", lossy(FEW), indirect=True)
def test_applied_and_unanswered_calls_leave_one_broadcast(stage, connected_show):
    exactly_one(stage, connected_show)


@pytest.mark.slow
@pytest.mark.parametrize("stage", lossy(ALL), indirect=True)
def test_applied_and_unanswered_calls_leave_one_broadcast_for_all_seeds(stage, connected_show):
    exactly_one(stage, connected_show)
