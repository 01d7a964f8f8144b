"""Broadcasts that somebody made in Studio, taken over instead of making new ones."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.streaming import stream_manager
from apps.streaming.models import Output
from apps.youtube.models import Broadcast, IngestKey, Show
from apps.youtube.quota import Purpose
from apps.youtube.services import adopting, shows
from apps.youtube.services.adopting import AdoptRefused
from apps.youtube.services.tokens import api_of
from tests.integration.youtube.conftest import GARDEN, make_stream

pytestmark = pytest.mark.django_db


def made_in_studio(channel, title="Harbour evening", *, minutes=60, **content):
    """As Studio makes one: with a monitor, and with an automatic start and stop."""
    at = timezone.now() + timedelta(minutes=minutes)
    details = {
        "monitorStream": {"enableMonitorStream": True, "broadcastStreamDelayMs": 0},
        "enableAutoStart": True, "enableAutoStop": True, "enableDvr": False, "enableEmbed": True,
        "recordFromStart": True, "latencyPreference": "low",
    }  # fmt: skip
    told = api_of(channel, Purpose.KEEP).insert(
        "liveBroadcasts", "id,snippet,status,contentDetails",
        {
            "snippet": {
                "title": title, "description": "Mine", "categoryId": "10",
                "scheduledStartTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            },
            "status": {"privacyStatus": "private"},
            "contentDetails": details | content,
        },
    )  # fmt: skip
    return told["id"]


def is_live(stage, youtube_id):
    return lambda: [one["id"] for one in stage.broadcasts("live")] == [youtube_id]


def test_an_upcoming_one_is_bound_to_our_key_and_goes_live(stage, show, channel, as_alice):
    theirs = made_in_studio(channel)
    stage.skip(30)
    page = f"/streams/{show.subject}/youtube/adopt/"
    chosen = {"channel_id": str(channel.pk)}
    assert as_alice.post(page, chosen).status_code == 302
    assert "Harbour evening" in as_alice.get(page).content.decode()
    as_alice.post(page, chosen | {"broadcast": theirs})
    stage.run(until=is_live(stage, theirs), seconds=180)
    stage.run(until=lambda: Show.objects.filter(on_air="live").exists(), seconds=120)
    truth = stage.world.broadcasts[theirs].truth
    assert truth["contentDetails"]["boundStreamId"] == IngestKey.objects.get().youtube_id
    assert truth["contentDetails"]["enableAutoStop"] is False
    assert truth["contentDetails"]["enableAutoStart"] is False
    # What is not ours to decide is as it was.
    assert truth["contentDetails"]["enableDvr"] is False
    assert truth["contentDetails"]["latencyPreference"] == "low"
    assert truth["snippet"]["title"] == "Harbour evening"
    assert truth["snippet"]["description"] == "Mine"
    assert truth["status"]["privacyStatus"] == "private"
    # Nothing was made beside it.
    assert len(stage.broadcasts()) == 1
    row = Broadcast.objects.get()
    assert (row.reason, row.is_unsettled, row.has_monitor) == ("adopted", False, False)


def test_one_that_waits_for_its_time_is_left_alone_when_somebody_stops(
    stage, show, channel, stream
):
    theirs = made_in_studio(channel, minutes=30)
    stage.skip(30)
    adopting.adopt(show=show, youtube_id=theirs, at_its_time=True)
    stage.run(seconds=600)
    (one,) = stage.broadcasts()
    assert one["state"] == "ready"
    stream_manager.stop_stream(stream=stream)
    stage.run(seconds=120)
    assert [one["state"] for one in stage.broadcasts()] == ["ready"]
    # It can be taken over again, and goes live in time.
    show.refresh_from_db()
    adopting.adopt(show=show, youtube_id=theirs, at_its_time=True)
    due = Broadcast.objects.get().not_before
    stage.run(until=is_live(stage, theirs), seconds=1800)
    live_after = (Broadcast.objects.get().live_at or timezone.now()) - due
    assert timedelta(0) <= live_after < timedelta(seconds=60)


def test_one_under_way_gives_its_key_to_the_stream(stage, live, stream, workspace, alice, channel):
    theirs = Broadcast.objects.get()
    old_key = theirs.ingest_key
    # As if we had never known it: somebody else's encoder keeps it live.
    feed = stage.feeds.pop(old_key.youtube_id)
    Show.objects.all().update(is_wanted=False, look_at=None)
    Output.objects.all().delete()
    Broadcast.objects.all().delete()
    IngestKey.objects.all().delete()
    record = stage.world.broadcasts[theirs.youtube_id]
    record.truth["contentDetails"]["enableAutoStop"] = True
    stage.world.changed(record)
    stage.skip(30)

    other = make_stream(workspace, alice, "Harbour")
    show = shows.describe(workspace=workspace, subject=other.pk, name="Harbour", channel=channel)
    assert [one.youtube_id for one in adopting.look_for(channel)] == [theirs.youtube_id]
    adopting.adopt(show=show, youtube_id=theirs.youtube_id)
    stage.world.feeds[old_key.youtube_id].remove(feed)
    stage.run(until=lambda: not Broadcast.objects.get().is_unsettled, seconds=120)
    stage.run(seconds=180)
    assert record.truth["contentDetails"]["enableAutoStop"] is False
    assert [one["id"] for one in stage.broadcasts("live")] == [theirs.youtube_id]
    assert IngestKey.objects.get(show=show).key == old_key.key
    assert Output.objects.get(stream=other).destination.key == old_key.key
    assert Show.objects.get(pk=show.pk).on_air == "live"
    assert len(stage.state()["streams"]) == 1


@pytest.mark.parametrize("stage", [{"lost_answers": 0.4, "seed": seed} for seed in (1,)],
                         indirect=True)  # fmt: skip
def test_lost_answers_leave_one_broadcast_with_our_settings(stage, connected_show, channel):
    stage.set(lost_answers=0.0)
    theirs = made_in_studio(channel)
    stage.skip(30)
    adopting.adopt(show=connected_show, youtube_id=theirs)
    stage.set(lost_answers=0.4)
    stage.run(until=is_live(stage, theirs), seconds=1800)
    assert len(stage.broadcasts()) == 1
    assert stage.world.broadcasts[theirs].truth["contentDetails"]["enableAutoStop"] is False


def test_what_is_not_of_the_channel_or_is_over_is_refused(stage, show, channel, as_charlie):
    with pytest.raises(AdoptRefused, match="no such broadcast"):
        adopting.adopt(show=show, youtube_id="nowhere0000")
    foreign = stage.connect(as_charlie, who=GARDEN)
    theirs = made_in_studio(foreign)
    stage.skip(30)
    with pytest.raises(AdoptRefused, match="no such broadcast"):
        adopting.adopt(show=show, youtube_id=theirs)
    mine = made_in_studio(channel)
    stage.skip(30)
    stage.act(f"broadcasts/{mine}/complete")
    stage.skip(30)
    with pytest.raises(AdoptRefused, match="over"):
        adopting.adopt(show=show, youtube_id=mine)
    assert not Broadcast.objects.exists()
    show.refresh_from_db()
    assert not show.is_wanted


def test_what_another_stream_keeps_is_not_offered_nor_given(stage, live, workspace, alice, channel):
    stage.skip(30)
    assert adopting.look_for(channel) == []
    other = make_stream(workspace, alice, "Second")
    show = shows.describe(workspace=workspace, subject=other.pk, name="Second", channel=channel)
    with pytest.raises(AdoptRefused, match="nother stream"):
        adopting.adopt(show=show, youtube_id=Broadcast.objects.get().youtube_id)
