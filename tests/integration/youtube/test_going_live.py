from datetime import timedelta

import pytest
from django.utils import timezone

from apps.streaming import stream_manager
from apps.streaming.models import Desired, Event, Output
from apps.youtube.models import Alert, Broadcast, Channel, IngestKey, Show
from apps.youtube.services import shows
from simulator import seed
from tests.integration.youtube.conftest import current

pytestmark = pytest.mark.django_db


def is_live(show):
    def ask():
        return Show.objects.filter(pk=show.pk, on_air="live").exists()

    return ask


def is_over(stage):
    def ask():
        return not stage.broadcasts("created", "ready", "liveStarting", "live")

    return ask


def test_one_click_makes_key_stream_and_broadcast(stage, show, stream):
    shows.go_live(show=show)
    took = stage.run(until=is_live(show), seconds=120)
    (made,) = stage.broadcasts()
    assert (made["state"], made["title"], made["privacy"]) == ("live", "Rain", "public")
    stream.refresh_from_db()
    assert stream.desired == Desired.ON
    output = Output.objects.get(stream=stream)
    key = IngestKey.objects.get()
    assert output.destination.key == key.key
    assert output.destination.address == key.address
    truth = stage.world.broadcasts[made["id"]].truth["contentDetails"]
    assert truth["monitorStream"]["enableMonitorStream"] is False
    assert truth["enableAutoStop"] is False
    assert truth["enableAutoStart"] is False
    # The simulator's own delays: reads up to 20 s old twice, starting up to 10 s, active after 3 s.
    assert took < 15 + 20 + 20 + 10 + 3
    assert current(show).watch_url.endswith(made["id"])
    assert Event.objects.filter(stream=stream, code="youtube.live").count() == 1


@pytest.mark.parametrize("stage", [{"read_lag_s": 0}], indirect=True)
def test_live_soon_after_the_ingest_is_active(stage, show):
    shows.go_live(show=show)
    stage.run(until=is_live(show), seconds=120)
    key, row = IngestKey.objects.get(), current(show)
    assert (row.live_at - key.active_at).total_seconds() < 15 + 10


def test_a_rehearsal_is_unlisted_whatever_the_show_says(stage, show):
    shows.go_live(show=show, is_rehearsal=True)
    stage.run(until=is_live(show), seconds=120)
    (made,) = stage.broadcasts()
    assert made["privacy"] == "unlisted"
    assert current(show).privacy == "unlisted"


def test_stopping_the_stream_ends_the_broadcast_and_starting_it_makes_another(stage, live, stream):
    stream_manager.stop_stream(stream=stream)
    stage.run(until=is_over(stage), seconds=120)
    key = IngestKey.objects.get()
    stream_manager.start_stream(stream=stream)
    stage.run(until=is_live(live), seconds=120)
    states = sorted(one["state"] for one in stage.broadcasts())
    assert states == ["complete", "live"]
    # The same key, for ever.
    assert IngestKey.objects.get().youtube_id == key.youtube_id
    assert len(stage.state()["streams"]) == 1


def test_ending_it_on_youtube_leaves_the_other_destinations_alone(stage, live, stream):
    stream_manager.add_destination(
        stream=stream, address="rtmps://a.rtmps.youtube.com:443/live2", key="abcd-efgh-ijkl-mnop"
    )
    shows.end(show=live)
    stage.run(until=is_over(stage), seconds=120)
    stage.run(seconds=10)
    stream.refresh_from_db()
    assert stream.desired == Desired.ON
    assert [o.destination.ingest_key for o in Output.objects.filter(removed_at=None)] == [None]


def test_what_it_says_is_what_youtube_shows(stage, stream, channel):
    show = shows.describe(
        workspace=stream.workspace,
        subject=stream.pk,
        name="Rain",
        channel=channel,
        title="{stream} on {channel}",
        description="Since {date}",
        tags="rain, sleep sounds",
        category_id="10",
        privacy="unlisted",
        made_for_kids=True,
        latency="low",
        dvr=False,
    )
    shows.go_live(show=show)
    stage.run(until=is_live(show), seconds=120)
    (made,) = stage.broadcasts()
    truth = stage.world.broadcasts[made["id"]].truth
    assert truth["snippet"]["title"] == "Rain on Harbour Radio"
    assert truth["snippet"]["description"] == "Since 2026-11-25"
    assert truth["snippet"]["categoryId"] == "10"
    assert truth["status"]["selfDeclaredMadeForKids"] is True
    assert truth["contentDetails"]["latencyPreference"] == "low"
    assert truth["contentDetails"]["enableDvr"] is False
    stage.run(until=lambda: show.broadcasts.get().has_tags, seconds=120)
    video = stage.world.broadcasts[made["id"]].truth["video"]
    assert video["tags"] == ["rain", "sleep sounds"]


@pytest.mark.slow
def test_a_thumbnail_is_set_once(stage, stream, channel):
    show = shows.describe(
        workspace=stream.workspace, subject=stream.pk, name="Rain", channel=channel,
        thumbnail=b"\xff\xd8\xff" + b"picture" * 100,
    )  # fmt: skip
    shows.go_live(show=show)
    stage.run(until=lambda: bool(stage.world.thumbnails), seconds=180)
    stage.run(seconds=300)
    methods = [call["method"] for call in stage.world.calls]
    assert methods.count("thumbnails.set") == 1


@pytest.mark.slow
def test_a_channel_that_may_not_go_live_is_told_once_and_heals(stage, show, channel):
    stage.act(f"channels/{seed.HARBOUR}", is_blocked=True)
    shows.go_live(show=show)
    stage.run(seconds=3 * 3600)
    calls = [call["method"] for call in stage.world.calls]
    # No loop: a few tries in three hours.
    assert calls.count("liveStreams.insert") + calls.count("liveBroadcasts.insert") < 10
    assert [alert.code for alert in Alert.objects.all()] == ["channel.barred"]
    stage.act(f"channels/{seed.HARBOUR}", is_blocked=False)
    stage.run(until=is_live(show), seconds=4000)
    channel.refresh_from_db()
    assert channel.eligibility == "ready"
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.slow
@pytest.mark.parametrize("stage", [{"is_stuck_starting": True}], indirect=True)
def test_one_that_hangs_in_starting_is_replaced(stage, show):
    shows.go_live(show=show)

    def has_two():
        return Broadcast.objects.count() >= 2

    stage.run(until=has_two, seconds=400)
    stage.set(is_stuck_starting=False)
    stage.run(until=is_live(show), seconds=200)
    stage.run(seconds=400)
    assert len(stage.broadcasts("live")) == 1


@pytest.mark.parametrize("stage", [{"is_stuck_starting": True}], indirect=True)
def test_when_the_second_hangs_too_another_key_carries_the_third(stage, show):
    shows.go_live(show=show)
    stage.run(until=lambda: IngestKey.objects.filter(n=2).exists(), seconds=600)
    assert Broadcast.objects.filter(error_code="stuck").count() == 2
    assert Broadcast.objects.count() == 3
    stage.set(is_stuck_starting=False)
    stage.run(until=is_live(show), seconds=300)
    stage.run(seconds=600)
    assert current(show).ingest_key.n == 2
    # Nothing is sent to the first key any more, and nothing else was left behind.
    assert list(stage.feeds) == [current(show).ingest_key.youtube_id]
    assert len(stage.broadcasts("live")) == 1
    assert stage.broadcasts("liveStarting", "ready", "created") == []
    assert not Alert.objects.exists()


@pytest.mark.slow
@pytest.mark.parametrize("stage", [{"is_stuck_starting": True}], indirect=True)
def test_what_hangs_again_and_again_becomes_one_message_and_few_broadcasts(stage, show):
    shows.go_live(show=show)
    stage.run(seconds=1800, sweep_every=600)
    assert Broadcast.objects.count() == 3
    assert [alert.code for alert in Alert.objects.all()] == ["show.stuck"]
    stage.run(seconds=2 * 3600, sweep_every=1800)
    # One more an hour.
    assert Broadcast.objects.count() <= 5
    assert Alert.objects.count() == 1
    assert stage.broadcasts("ready", "created") == []
    stage.set(is_stuck_starting=False)
    stage.run(until=is_live(show), seconds=3700, sweep_every=600)
    stage.run(seconds=600)
    assert len(stage.broadcasts("live")) == 1
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.slow
def test_a_follower_that_hangs_leaves_what_is_live_alone(stage, live):
    Show.objects.update(policy="archives", look_at=timezone.now())
    Broadcast.objects.update(live_at=timezone.now() - timedelta(hours=11, minutes=15))
    first = current(live)
    stage.set(is_stuck_starting=True)
    stage.run(until=lambda: IngestKey.objects.filter(n=2).exists(), seconds=1800)
    assert [one["id"] for one in stage.broadcasts("live")] == [first.youtube_id]
    assert stage.gaps == []
    stage.set(is_stuck_starting=False)
    stage.run(until=lambda: bool(stage.broadcasts("live")[1:]), seconds=600)
    stage.run(seconds=900)
    (only,) = stage.broadcasts("live")
    assert only["id"] != first.youtube_id
    assert stage.dark_s() == 0.0


def test_one_that_got_live_while_youtube_was_silent_is_kept(stage, show):
    shows.go_live(show=show)
    stage.run(until=lambda: bool(stage.broadcasts("liveStarting", "live")), seconds=120)
    stage.set(api="down")
    stage.run(seconds=600, sweep_every=300)
    stage.set(api="up")
    stage.run(until=is_live(show), seconds=180)
    stage.run(seconds=60)
    assert [one["state"] for one in stage.broadcasts()] == ["live"]


def test_two_workers_never_work_on_one_show_at_once(stage, show):
    shows.go_live(show=show)
    Show.objects.update(busy_until=timezone.now() + shows.BUSY)
    assert shows.advance(show.subject) is None
    assert not [call for call in stage.world.calls if "insert" in call["method"]]
    assert Channel.objects.count() == 1
