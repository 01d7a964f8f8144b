"""Who watches, and what YouTube says about the picture, told with what was on."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.streaming.models import AsRun, Output, PlaylistItem
from apps.youtube import tasks
from apps.youtube.models import Show, ViewerHour
from apps.youtube.services import sweeping
from apps.youtube.services.watching import note_viewers
from simulator import seed

pytestmark = pytest.mark.django_db


def aired(stream, item, started_at, ended_at=None):
    return AsRun.objects.create(
        output=Output.objects.get(stream=stream), token=1, epoch=timezone.now(),
        start_frame=AsRun.objects.count(), item_id=str(item.pk), title=item.asset.title,
        started_at=started_at, ended_at=ended_at,
    )  # fmt: skip


def test_viewers_are_noted_each_minute_and_told_for_each_item(
    stage, live, stream, as_alice, program
):
    first, second = PlaylistItem.objects.order_by("position")
    before = len(stage.world.calls)
    begun = timezone.now()
    for viewers in (10, 20, 60):
        stage.world.channels[seed.HARBOUR].audience = viewers
        stage.skip(60)
        stage.node()
        tasks.sweep()
    middle = timezone.now() - timedelta(seconds=30)
    # The sweep asks anyway: not one call more for it.
    calls = [call["method"] for call in list(stage.world.calls)[before:]]
    assert [name for name in calls if name != "liveStreams.list"] == ["videos.list"] * 3
    hour = ViewerHour.objects.get()
    assert [number for number in hour.minutes if number is not None] == [10, 20, 60]
    aired(stream, first, begun, middle)
    aired(stream, second, middle)

    page = as_alice.get(f"/streams/{stream.pk}/details/").content.decode()
    assert "Viewers" in page
    told = program("GET", f"/streams/{stream.pk}/youtube/viewers").json()
    assert told["now"] == 60
    assert told["peak_of_day"] == 60
    by_title = {one["title"]: one for one in told["items"]}
    assert by_title["Rain 1"]["peak"] == 60
    assert 10 <= by_title["Rain 0"]["average"] <= by_title["Rain 0"]["peak"] <= 60
    state = as_alice.get(f"/streams/{stream.pk}/youtube/state/").content.decode()
    assert "60 at most" in state


def test_noting_costs_the_same_for_one_show_and_for_many(workspace, alice, channel):
    def cost(count):
        shows = [
            Show.objects.create(
                workspace=workspace, channel=channel, subject=f"{count:08}{n:024}", name="x"
            )
            for n in range(count)
        ]
        with CaptureQueriesContext(connection) as queries:
            note_viewers(dict.fromkeys(shows, 5), now=timezone.now())
        return len(queries)

    assert cost(1) == cost(40)


def verdict(stage, *kinds, seconds_ago=5):
    """What YouTube says of the stream from now on."""
    (record,) = stage.world.streams.values()
    record.truth["status"]["healthStatus"] = {
        "status": "bad",
        "lastUpdateTimeSeconds": str(int(stage.world.seconds() - seconds_ago)),
        "configurationIssues": [
            {"type": kind, "severity": "error", "reason": kind, "description": kind}
            for kind in kinds
        ],
    }
    record.note["health_due"] = stage.world.seconds() + 1e6
    stage.world.changed(record)
    record.history = record.history[-1:]
    record.history[0] = (0.0, record.history[0][1])


def test_an_issue_names_what_was_on_when_it_was_first_seen(stage, live, stream, as_alice):
    first, second = PlaylistItem.objects.order_by("position")
    now = timezone.now()
    aired(stream, first, now - timedelta(minutes=5), now)
    aired(stream, second, now)
    verdict(stage, "gopSizeOver", seconds_ago=20)
    sweeping.read_health(only=[live])
    (issue,) = Show.objects.get().health_issues
    assert (issue["type"], issue["item"]) == ("gopSizeOver", "Rain 0")
    # It goes on while the next item is on: it is still about the first.
    stage.skip(30)
    verdict(stage, "gopSizeOver", "noAudioStream")
    sweeping.read_health(only=Show.objects.all())
    items = {one["type"]: one["item"] for one in Show.objects.get().health_issues}
    assert items == {"gopSizeOver": "Rain 0", "noAudioStream": "Rain 1"}
    page = as_alice.get(f"/streams/{stream.pk}/youtube/state/").content.decode()
    assert "Key frames are more than four seconds apart" in page
    assert "Prepare the file anew" in page
    assert f"/library/{first.asset_id}/" in page


def test_an_old_verdict_changes_nothing(stage, live):
    verdict(stage, "gopSizeOver", seconds_ago=300)
    sweeping.read_health(only=[live])
    assert Show.objects.get().health_issues == []
