"""What YouTube told of a channel goes when nobody can ask any more; what is on air stays."""

import json

import pytest
from django.apps import apps
from django.core import serializers

from apps.streaming import stream_manager
from apps.streaming.models import Destination, Output, PlaylistSource
from apps.youtube import tasks
from apps.youtube.models import Broadcast, Channel, IngestKey, Show, ViewerHour
from apps.youtube.services.forgetting import NAME
from simulator import seed
from tests.integration.youtube.conftest import current

pytestmark = pytest.mark.django_db

DAY = 86_400
EVENING = "PL" + seed.HARBOUR[2:]


def everything():
    """All that the two apps keep, as text."""
    rows = [
        json.loads(serializers.serialize("json", model._default_manager.all()))
        for app in ("youtube", "streaming")
        for model in apps.get_app_config(app).get_models()
    ]
    return json.dumps(rows, ensure_ascii=False)


def withdraw(stage):
    for grant in stage.state()["grants"]:
        stage.act(f"grants/{grant['id']}/revoke")


def pass_days(stage, *days):
    """Days that pass, at the end of each of which the daily tasks run."""
    for some in days:
        stage.skip(some * DAY)
        tasks.test_channels()
        tasks.forget_channels()


@pytest.fixture
def watched(stage, live, workspace):
    """What is live, with viewers, and a list that is followed."""
    stage.world.channels[seed.HARBOUR].audience = 60
    stage.run(seconds=180)
    assert ViewerHour.objects.exists()
    stream_manager.make_from_youtube(workspace=workspace, channel=live.channel, youtube_id=EVENING)
    return live


def test_thirty_days_without_access_and_only_what_is_on_air_is_kept(
    stage, watched, stream, as_alice, alice
):
    withdraw(stage)
    pass_days(stage, 1, 28)
    channel = Channel.objects.get()
    assert (channel.state, channel.title) == ("reconnect", "Harbour Radio")
    assert ViewerHour.objects.exists()
    pass_days(stage, 2)
    channel.refresh_from_db()
    assert (channel.state, channel.title, channel.handle) == ("reconnect", NAME, "")
    assert not ViewerHour.objects.exists()
    assert not PlaylistSource.objects.exists()
    assert Show.objects.get().viewers is None
    kept = everything()
    assert "Harbour Radio" not in kept
    assert seed.HARBOUR not in kept
    assert "@harbour" not in kept.lower()
    # The stream goes on, with its key and the broadcast it is in.
    stage.node()
    assert stage.gaps == []
    stream.refresh_from_db()
    assert stream.desired == "on"
    assert Output.objects.get(desired="on").destination.key == IngestKey.objects.get().key
    assert current(watched).youtube_id
    as_alice.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert NAME in as_alice.get("/channels/").content.decode()
    # Once it stops, the rest goes as well.
    key, video = IngestKey.objects.get().key, current(watched).youtube_id
    stream_manager.stop_stream(stream=stream)
    stage.run(seconds=120)
    Output.objects.update(state="idle", node="", expires_at=None)
    pass_days(stage, 1)
    assert not Broadcast.objects.exists()
    assert not IngestKey.objects.exists()
    assert not [one.key for one in Destination.objects.all() if one.key == key]
    assert video not in everything()


def test_a_channel_that_comes_back_finds_its_streams(stage, watched, stream, as_alice, alice):
    stream_manager.stop_stream(stream=stream)
    stage.run(until=lambda: not Broadcast.objects.filter(ended_at=None).exists(), seconds=300)
    withdraw(stage)
    stage.skip(3600)
    pass_days(stage, 31)
    channel = Channel.objects.get()
    assert channel.forgotten_at is not None
    assert not Broadcast.objects.exists()
    as_alice.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = as_alice.get(f"/channels/{channel.pk}/").content.decode()
    assert channel.youtube_id not in answer
    back = stage.consent(as_alice, f"/channels/{channel.pk}/reconnect/")
    as_alice.get(back)
    channel.refresh_from_db()
    assert (channel.state, channel.title, channel.youtube_id) == (
        "connected", "Harbour Radio", seed.HARBOUR,
    )  # fmt: skip
    assert channel.forgotten_at is None
    as_alice.post(f"/streams/{stream.pk}/youtube/live/")
    stage.run(until=lambda: Show.objects.filter(on_air="live").exists(), seconds=180)
    assert Show.objects.get().channel == channel


def test_who_disconnects_has_a_week_to_come_back(stage, watched, stream, as_alice):
    stream_manager.stop_stream(stream=stream)
    stage.run(until=lambda: not Broadcast.objects.filter(ended_at=None).exists(), seconds=300)
    as_alice.post(f"/channels/{watched.channel_id}/disconnect/")
    pass_days(stage, 6)
    assert Channel.objects.get().title == "Harbour Radio"
    pass_days(stage, 1)
    assert Channel.objects.get().title == NAME
    assert "Harbour Radio" not in everything()
    assert stage.connect(as_alice) == watched.channel
    assert Channel.objects.count() == 1


def test_a_channel_in_use_is_kept_and_its_title_read_anew(stage, channel):
    stage.world.channels[seed.HARBOUR].title = "Harbour by night"
    pass_days(stage, 6)
    channel.refresh_from_db()
    assert channel.title == "Harbour Radio"
    pass_days(stage, 2)
    channel.refresh_from_db()
    assert channel.title == "Harbour by night"
    pass_days(stage, 9, 9, 9, 9)
    channel.refresh_from_db()
    assert (channel.state, channel.forgotten_at) == ("connected", None)
