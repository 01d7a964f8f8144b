import logging

import pytest
from django.core import mail
from django.utils import timezone

from apps.streaming.models import Desired, Output
from apps.youtube import quota, tasks
from apps.youtube.models import OPERATOR, Alert, Broadcast, IngestKey, QuotaEntry, Show
from apps.youtube.services import shows
from simulator import seed
from tests.integration.youtube.conftest import current

pytestmark = pytest.mark.django_db


def replaced(stage, show, old):
    def ask():
        live = stage.broadcasts("live")
        known = Broadcast.objects.filter(show=show, lifecycle="live", ended_at=None)
        return bool(live) and live[0]["id"] != old and known.exists()

    return ask


@pytest.mark.parametrize("how", ["complete", "delete"])
def test_one_that_youtube_ends_while_it_takes_our_bytes_is_replaced(stage, live, how):
    old = current(live).youtube_id
    stage.act(f"broadcasts/{old}/{how}")
    took = stage.run(until=replaced(stage, live, old), seconds=180)
    assert took <= 180
    stage.run(seconds=600)
    # Exactly one new one, on the same key, and the ingest saw no gap.
    assert len(stage.broadcasts("live")) == 1
    assert Broadcast.objects.count() == 2
    assert stage.gaps == []
    assert IngestKey.objects.count() == 1


@pytest.mark.slow
def test_after_three_in_a_day_it_stops_and_one_mail_says_so(stage, live, stream):
    for _round in range(4):
        rows = stage.broadcasts("live")
        if not rows:
            break
        stage.act(f"broadcasts/{rows[0]['id']}/complete")
        stage.run(seconds=240)
    stage.run(seconds=1800)
    assert Broadcast.objects.count() == 4
    assert stage.broadcasts("live") == []
    stream.refresh_from_db()
    assert stream.desired == Desired.OFF
    assert [alert.code for alert in Alert.objects.all()] == ["show.ended"]
    tasks.send_mail_alerts()
    assert len(mail.outbox) == 1
    assert Show.objects.get().on_air == "ended"


def test_one_that_is_revoked_is_not_tried_again(stage, live, stream, as_alice):
    stage.act(f"broadcasts/{current(live).youtube_id}/revoke", reason="copyright")
    stage.run(seconds=600)
    assert Broadcast.objects.count() == 1
    assert Show.objects.get().on_air == "blocked"
    assert [alert.code for alert in Alert.objects.all()] == ["show.blocked"]
    stream.refresh_from_db()
    assert stream.desired == Desired.OFF
    assert "has blocked Rain" in as_alice.get("/channels/").content.decode()


@pytest.mark.slow
def test_withdrawn_access_leaves_the_air_alone_and_heals_without_a_hand(
    stage, live, as_alice, stream
):
    for grant in stage.state()["grants"]:
        stage.act(f"grants/{grant['id']}/revoke")
    stage.run(seconds=3 * 3600, sweep_every=300)
    assert stage.gaps == []
    assert len(stage.broadcasts("live")) == 1
    assert [alert.code for alert in Alert.objects.all()] == ["channel.reconnect"]
    assert len(mail.outbox) <= 1
    old = current(live).youtube_id
    stage.act(f"broadcasts/{old}/complete")
    stage.run(seconds=600)
    assert stage.broadcasts("live") == []
    stage.connect(as_alice)
    stage.run(until=replaced(stage, live, old), seconds=180)
    assert stage.gaps == []


@pytest.mark.slow
def test_a_used_up_quota_leaves_the_air_alone_and_is_over_at_midnight(stage, live):
    stage.set(units_per_day=10)
    stage.run(seconds=2 * 3600, sweep_every=300)
    assert stage.gaps == []
    assert quota.standing(OPERATOR).is_exhausted
    # No more than one probe an hour.
    refused = [call for call in stage.world.calls if call.get("status") == 403]
    assert len(refused) <= 4
    assert not Alert.objects.exists()
    old = current(live).youtube_id
    stage.act(f"broadcasts/{old}/complete")
    stage.set(units_per_day=10_000)
    seconds = (quota.standing(OPERATOR).resets_at - Show.objects.get().updated_at).total_seconds()
    stage.run(until=replaced(stage, live, old), seconds=seconds + 3900, sweep_every=600)
    assert stage.gaps == []


@pytest.mark.slow
@pytest.mark.parametrize("api", ["down", "silent"])
def test_an_hour_without_the_api_leaves_the_air_alone(stage, live, api, settings):
    settings.YOUTUBE_TIMEOUT_SECONDS = 0.2
    stage.set(api=api)
    stage.run(seconds=600 if api == "silent" else 3600, sweep_every=300)
    assert stage.gaps == []
    assert not Alert.objects.exists()
    stage.set(api="up")
    old = current(live).youtube_id
    stage.act(f"broadcasts/{old}/complete")
    stage.run(until=replaced(stage, live, old), seconds=240)
    assert stage.gaps == []


def test_a_key_that_was_reset_in_studio_is_read_anew(stage, live):
    key = IngestKey.objects.get()
    stage.act(f"streams/{key.youtube_id}/new-key")
    Output.objects.update(error_code="ingest.key_rejected", state="reconnecting")
    # The node's reports are ours to give here.
    stage.node = lambda: Output.objects.filter(removed_at=None).update(reported_at=timezone.now())
    old = key.key
    stage.run(seconds=300)
    key.refresh_from_db()
    assert key.key != old
    assert Output.objects.get(desired="on").destination.key == key.key


def units_without_sweeps(workspace):
    """Units of the day so far and of days before, sweeps and health aside."""
    rows = QuotaEntry.objects.filter(workspace=workspace).exclude(method="videos.list")
    return sum(row.units for row in rows)


@pytest.mark.slow
def test_archives_are_rotated_at_a_join_on_one_connection(stage, stream, channel, capsys):
    show = shows.describe(
        workspace=stream.workspace, subject=stream.pk, name="Rain", channel=channel,
        policy="archives",
    )  # fmt: skip
    shows.go_live(show=show)
    stage.run(until=lambda: len(stage.broadcasts("live")) == 1, seconds=120)
    seen = []

    def watched():
        seen.append(len(stage.broadcasts("live")))
        return False

    before = units_without_sweeps(workspace=stream.workspace)
    stage.run(until=watched, seconds=2 * 11.4 * 3600, asserts=False, sweep_every=1200)
    units = units_without_sweeps(workspace=stream.workspace) - before
    with capsys.disabled():
        print(f"\nunits of two rotations, without sweeps: {units}")
    # With 29 for sweeps and 100 for two thumbnails it stays below 600 a day.
    assert units <= 470
    done = [one for one in stage.broadcasts("complete") if one["live_at"]]
    assert len(done) == 2
    for one in done:
        assert one["has_archive"]
        assert one["ended_at"] - one["live_at"] < 11.5 * 3600
    # Never a moment without a live broadcast, and one connection from first to last.
    assert min(seen) >= 1
    assert stage.gaps == []
    assert len(stage.feeds) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage",
    [
        {"broadcasts_per_key": 1, "refuses_sharing_at": "transition"},
        {"broadcasts_per_key": 1, "refuses_sharing_at": "bind"},
    ],
    indirect=True,
)
def test_where_a_key_is_not_shared_a_second_one_takes_over(stage, stream, channel):
    show = shows.describe(
        workspace=stream.workspace, subject=stream.pk, name="Rain", channel=channel,
        policy="archives",
    )  # fmt: skip
    shows.go_live(show=show)
    stage.run(until=lambda: len(stage.broadcasts("live")) == 1, seconds=120)
    seen = []

    def watched():
        seen.append(len(stage.broadcasts("live")))
        return False

    stage.gaps.clear()
    stage.run(until=watched, seconds=2 * 11.4 * 3600, asserts=False, sweep_every=1200)
    done = [one for one in stage.broadcasts("complete") if one["live_at"]]
    assert len(done) == 2
    assert all(one["has_archive"] for one in done)
    assert min(seen) >= 1
    assert len(stage.feeds) == 1
    assert IngestKey.objects.count() == 2
    assert Show.objects.get().shares_key is False


@pytest.mark.slow
def test_nothing_secret_is_logged_while_things_go_wrong(stage, show, caplog):
    caplog.set_level(logging.DEBUG)
    stage.set(api_errors=0.3, lost_answers=0.2)
    shows.go_live(show=show)
    stage.run(seconds=300)
    stage.set(api_errors=0.0, lost_answers=0.0)
    stage.run(until=lambda: len(stage.broadcasts("live")) == 1, seconds=400)
    key = IngestKey.objects.get()
    secrets = [key.key, show.channel.access_token, show.channel.refresh_token, seed.CLIENT_SECRET]
    assert not [secret for secret in secrets if str(secret) in caplog.text]
