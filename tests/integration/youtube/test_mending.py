"""What else goes wrong, and that it is mended at little cost: waits, refusals, deleted keys."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.streaming.models import Output
from apps.youtube import quota
from apps.youtube.models import OPERATOR, Alert, Broadcast, ChannelState, IngestKey, Show
from apps.youtube.services import shows, sweeping
from tests.integration.youtube.conftest import current, make_stream

pytestmark = pytest.mark.django_db


def is_live(stage, show):
    def ask():
        return (
            Show.objects.filter(pk=show.pk, on_air="live").exists()
            and Broadcast.objects.filter(show=show, lifecycle="live", ended_at=None).exists()
            and len(stage.broadcasts("live")) == 1
        )

    return ask


def units():
    return quota.standing(OPERATOR).used


def calls(stage, method):
    return sum(call["method"] == method for call in stage.world.calls)


def test_a_broadcast_that_waited_for_hours_is_given_a_start_to_come(stage, show, settings):
    settings.YOUTUBE_QUOTA_PER_DAY = 100
    shows.go_live(show=show)
    stage.run(seconds=3 * 3600, sweep_every=1800)
    row = Broadcast.objects.get(show=show)
    assert row.youtube_id == ""
    planned = row.scheduled_start
    settings.YOUTUBE_QUOTA_PER_DAY = 10_000
    stage.run(until=is_live(stage, show), seconds=3900)
    row.refresh_from_db()
    assert row.scheduled_start > planned


def test_a_key_that_was_deleted_in_studio_is_made_anew(stage, live):
    key = IngestKey.objects.get()
    old, broadcast = key.youtube_id, current(live).youtube_id
    stage.act(f"streams/{old}/delete")
    report = stage.node

    def refused():
        # Nodes are refused by a key that is not there, and report so.
        report()
        gone = IngestKey.objects.filter(youtube_id=old).values("pk")
        Output.objects.filter(destination__ingest_key__in=[str(one["pk"]) for one in gone]).update(
            error_code="ingest.key_rejected", state="reconnecting"
        )

    stage.node = refused
    stage.run(
        until=lambda: (
            [one["id"] for one in stage.broadcasts("live")] not in ([], [broadcast])
            and Show.objects.get().on_air == "live"
        ),
        seconds=600,
    )
    key.refresh_from_db()
    assert key.youtube_id not in ("", old)
    assert Output.objects.get(desired="on").destination.key == key.key
    assert IngestKey.objects.count() == 1
    assert calls(stage, "liveStreams.insert") == 2


def test_what_was_to_follow_in_a_while_follows_at_once_when_the_other_is_ended(stage, live):
    Show.objects.update(policy="archives", look_at=timezone.now())
    Broadcast.objects.update(live_at=timezone.now() - timedelta(hours=10, minutes=55))
    old = current(live).youtube_id
    stage.run(until=lambda: len(stage.broadcasts("ready", "created")) == 1, seconds=120)
    stage.act(f"broadcasts/{old}/complete")
    stage.run(until=is_live(stage, live), seconds=180)
    # The one that was planned, and no other.
    assert Broadcast.objects.count() == 2
    assert stage.gaps == []


@pytest.mark.slow
def test_an_ingest_that_never_gets_active_costs_few_units(stage, show):
    shows.go_live(show=show)
    report = stage.node

    def unheard():
        report()
        for feeds in stage.world.feeds.values():
            feeds.clear()
        stage.feeds.clear()

    stage.node = unheard
    stage.run(seconds=3 * 3600, sweep_every=1800)
    assert calls(stage, "liveBroadcasts.transition") == 0
    # Three hours of a look each four seconds would be 2,700.
    assert units() < 300
    stage.node = report
    stage.run(until=is_live(stage, show), seconds=1000)


def test_what_youtube_refuses_as_it_is_becomes_one_message_and_few_calls(stage, show):
    Show.objects.update(category_id="99")
    shows.go_live(show=show)
    stage.run(seconds=3 * 3600, sweep_every=600)
    assert [alert.code for alert in Alert.objects.all()] == ["show.refused"]
    assert calls(stage, "liveBroadcasts.insert") <= 4
    Show.objects.update(category_id="24")
    stage.run(until=is_live(stage, show), seconds=3700)
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_a_key_is_doubted_after_a_minute_and_the_message_goes_by_itself(stage, live):
    began = timezone.now()
    trouble = {"error_code": "ingest.key_rejected", "state": "reconnecting"}
    stage.node = lambda: Output.objects.filter(removed_at=None).update(
        reported_at=timezone.now(), **trouble
    )
    stage.run(until=lambda: Alert.objects.exists(), seconds=300)
    alert = Alert.objects.get()
    assert alert.code == "show.key_refused"
    # A session of our own that was lost may hold the key for a minute.
    assert timezone.now() - began >= timedelta(seconds=60)
    before = calls(stage, "liveStreams.list")
    stage.run(seconds=3 * 3600, sweep_every=1800)
    assert calls(stage, "liveStreams.list") - before < 40
    trouble.update(error_code="", state="on_air")
    stage.run(until=lambda: not Alert.objects.filter(resolved_at=None).exists(), seconds=1000)


def test_an_access_that_suffices_no_more_becomes_one_message(stage, show, channel):
    for grant in stage.world.grants.values():
        grant.scopes = ["https://www.googleapis.com/auth/youtube.readonly"]
    shows.go_live(show=show)
    stage.run(seconds=3 * 3600, sweep_every=600)
    channel.refresh_from_db()
    assert channel.state == ChannelState.RECONNECT
    assert [alert.code for alert in Alert.objects.all()] == ["channel.reconnect"]
    assert calls(stage, "liveStreams.insert") == 1


def test_a_beginning_leaves_the_last_units_to_what_is_on_air(
    stage, live, settings, workspace, alice
):
    settings.YOUTUBE_QUOTA_PER_DAY = 2000
    quota.spend(live.channel, "videos.list", 1700 - units(), purpose=quota.Purpose.KEEP)
    other = make_stream(workspace, alice, "Snow")
    second = shows.describe(
        workspace=workspace, subject=other.pk, name="Snow", channel=live.channel
    )
    shows.go_live(show=second)
    old = current(live).youtube_id
    stage.act(f"broadcasts/{old}/complete")
    stage.run(until=is_live(stage, live), seconds=180)
    assert calls(stage, "liveStreams.insert") == 1
    assert not Broadcast.objects.filter(show=second).exists()


def test_an_old_verdict_on_the_picture_is_not_believed(stage, live):
    (stream,) = stage.world.streams.values()
    stream.note["health_due"] = stage.world.seconds() + 86_400
    for age_s, believed in ((300, "good"), (5, "bad")):
        told = str(int(stage.world.seconds()) - age_s)
        stream.truth["status"]["healthStatus"] = {"status": "bad", "lastUpdateTimeSeconds": told}
        stage.world.changed(stream)
        Show.objects.update(health="good")
        stage.skip(25)
        sweeping.read_health(only=[live])
        assert Show.objects.get().health == believed


@pytest.mark.slow
def test_access_that_is_withdrawn_in_a_rotation_touches_nothing_and_heals(stage, live, as_alice):
    Show.objects.update(policy="archives", look_at=timezone.now())
    Broadcast.objects.update(live_at=timezone.now() - timedelta(hours=10, minutes=55))
    stage.run(until=lambda: bool(stage.broadcasts("ready", "created")), seconds=120)
    for grant in stage.state()["grants"]:
        stage.act(f"grants/{grant['id']}/revoke")
    stage.run(seconds=3 * 3600, sweep_every=600)
    assert len(stage.broadcasts("live")) == 1
    assert [alert.code for alert in Alert.objects.all()] == ["channel.reconnect"]
    stage.connect(as_alice)
    stage.run(until=lambda: len(stage.broadcasts("complete")) == 1, seconds=600)
    assert len(stage.broadcasts("live")) == 1
    assert stage.gaps == []


def test_a_fault_of_ours_is_looked_at_again(stage, show, monkeypatch):
    shows.go_live(show=show)
    key = IngestKey(workspace=show.workspace, channel=show.channel, show=show, n=1, marker="x")
    key.youtube_id, key.sealed_key = "x", "damaged"
    key.save()
    with pytest.raises(Exception, match="not in FIELD_ENCRYPTION_KEYS"):
        shows.advance(show.subject)
    row = Show.objects.get()
    assert row.busy_until is None
    assert timedelta(0) < row.look_at - timezone.now() <= timedelta(minutes=1)
