"""Answers that never come: what was asked for exists once, whichever are lost, and read when.

By name, each step once; by seed, a share of all calls, which decides for itself where it strikes.
"""

import random

import pytest

from apps.youtube.models import Broadcast, IngestKey, Show
from apps.youtube.services import shows

pytestmark = pytest.mark.django_db

FEW, ALL = range(1, 3), range(3, 101)

WAY_UP = (
    "liveStreams.insert",
    "liveBroadcasts.insert",
    "liveBroadcasts.bind",
    "liveStreams.list",
    "liveBroadcasts.transition",
    "liveBroadcasts.list",
    "videos.update",
    "thumbnails.set",
)
"""The steps of a show on its way, in order."""


def describe(show):
    shows.describe(
        workspace=show.workspace, subject=show.subject, name=show.name, channel=show.channel,
        thumbnail=b"\xff\xd8\xff" + b"picture" * 100, tags="rain, sea",
    )  # fmt: skip


def go_live(stage, show):
    describe(show)
    shows.go_live(show=show)

    def is_dressed():
        rows = Broadcast.objects.filter(lifecycle="live", ended_at=None)
        return rows.filter(has_tags=True, has_thumbnail=True).exists()

    stage.run(until=is_dressed, seconds=2400)


def exactly_one(stage):
    stage.run(seconds=60)
    (made,) = stage.broadcasts()
    assert made["state"] == "live"
    assert len(stage.state()["streams"]) == IngestKey.objects.count() == 1
    assert Broadcast.objects.get(ended_at=None).youtube_id == made["id"]
    assert stage.gaps == []


def end(stage, show):
    shows.end(show=show)
    stage.run(until=lambda: not Broadcast.objects.filter(ended_at=None).exists(), seconds=2400)
    assert [one["state"] for one in stage.broadcasts()] == ["complete"]


def was_lost(stage, method):
    return [
        call for call in stage.world.calls
        if call["method"] == method and call["outcome"] == "lost"
    ]  # fmt: skip


def up_and_down(stage, show):
    go_live(stage, show)
    stage.set(lost_answers=0.0)
    exactly_one(stage)
    stage.set(lost_answers=0.4)
    end(stage, show)


@pytest.mark.parametrize("method", ["liveBroadcasts.insert", "liveBroadcasts.bind"])
def test_a_step_whose_answer_is_lost_is_taken_once(stage, show, method):
    one_step(stage, show, method)


@pytest.mark.slow
@pytest.mark.parametrize("method", WAY_UP)
def test_each_step_whose_answer_is_lost_is_taken_once(stage, show, method):
    one_step(stage, show, method)


def one_step(stage, show, method):
    stage.set(loses_next=method)
    go_live(stage, show)
    assert len(was_lost(stage, method)) == 1
    exactly_one(stage)
    done = [call["method"] for call in stage.world.calls]
    if method != "liveBroadcasts.list":
        # What has an effect that can be seen was never asked for twice.
        assert done.count(method) == 1 or method.endswith(".list")


@pytest.mark.slow
def test_an_end_whose_answer_is_lost_is_an_end(stage, live):
    stage.set(loses_next="liveBroadcasts.transition")
    end(stage, live)
    assert len(was_lost(stage, "liveBroadcasts.transition")) == 1


@pytest.mark.slow
def test_a_removal_whose_answer_is_lost_is_one(stage, show):
    report = stage.node

    def unheard():
        report()
        for feeds in stage.world.feeds.values():
            feeds.clear()
        stage.feeds.clear()

    stage.node = unheard
    shows.go_live(show=show)
    stage.run(until=lambda: bool(stage.broadcasts("ready")), seconds=60)
    stage.set(loses_next="liveBroadcasts.delete")
    shows.end(show=Show.objects.get())
    stage.run(until=lambda: not Broadcast.objects.filter(ended_at=None).exists(), seconds=300)
    assert stage.broadcasts() == []
    assert len(was_lost(stage, "liveBroadcasts.delete")) == 1


def lossy(seeds):
    lags = [random.Random(seed).choice([0, 5, 10, 20]) for seed in seeds]
    return [
        {"seed": seed, "lost_answers": 0.4, "read_lag_s": lag}
        for seed, lag in zip(seeds, lags, strict=True)
    ]


@pytest.mark.parametrize("stage", lossy(FEW), indirect=True)
def test_applied_and_unanswered_calls_leave_one_broadcast(stage, connected_show):
    up_and_down(stage, connected_show)


@pytest.mark.slow
@pytest.mark.parametrize("stage", lossy(ALL), indirect=True)
def test_applied_and_unanswered_calls_leave_one_broadcast_for_all_seeds(stage, connected_show):
    up_and_down(stage, connected_show)
