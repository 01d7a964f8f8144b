"""From a connected channel to a broadcast without ever seeing a stream key."""

import pytest

from apps.accounts.models import Scope
from apps.streaming import stream_manager
from apps.streaming.models import Desired, Output, Stream
from apps.youtube.models import ChannelState, Show
from tests.integration.youtube.conftest import PROFILE

pytestmark = pytest.mark.django_db


def fields(stream, **more):
    return {
        "title": "Night",
        "playlist": str(stream.playlist_id),
        "profile": PROFILE,
        "start_policy": "top",
        "loop": "on",
    } | more


def is_live(pk):
    return lambda: Show.objects.filter(subject=pk, on_air="live").exists()


def test_a_new_stream_goes_to_a_connected_channel_without_a_key(stage, stream, channel, as_alice):
    page = as_alice.get("/streams/new/").content.decode()
    # Offered first, and so chosen.
    assert page.index(f"channel-{channel.pk}") < page.index('value="youtube"')
    answer = as_alice.post("/streams/new/", fields(stream, service=f"channel-{channel.pk}"))
    made = Stream.objects.get(title="Night")
    assert answer["Location"] == f"/streams/{made.pk}/"
    assert not Output.objects.filter(stream=made).exists()
    checks = stream_manager.checks(made)
    assert [check.what for check in checks if not check.is_well] == []
    # Start is as good as Go live.
    as_alice.post(f"/streams/{made.pk}/start/")
    stage.run(until=is_live(made.pk), seconds=120)
    made.refresh_from_db()
    assert made.desired == Desired.ON


def test_a_channel_of_strangers_or_one_that_is_lost_is_not_taken(stage, stream, channel, as_alice):
    channel.state = ChannelState.RECONNECT
    channel.save()
    assert str(channel.pk) not in as_alice.get("/streams/new/").content.decode()
    answer = as_alice.post("/streams/new/", fields(stream, service=f"channel-{channel.pk}"))
    assert answer.status_code == 422
    assert not Stream.objects.filter(title="Night").exists()


def test_starting_with_a_channel_that_is_lost_says_so(stage, show, stream, channel):
    channel.state = ChannelState.RECONNECT
    channel.save()
    with pytest.raises(stream_manager.StartRefused, match=r"Harbour Radio.*not connected"):
        stream_manager.start_stream(stream=stream)
    stream.refresh_from_db()
    assert stream.desired == Desired.OFF


def test_a_stream_without_a_destination_can_be_renamed(stream, as_alice):
    answer = as_alice.post(f"/streams/{stream.pk}/edit/", fields(stream, service="none"))
    assert answer.status_code == 302
    stream.refresh_from_db()
    assert stream.title == "Night"


def test_the_settings_leave_the_key_of_a_channel_alone(stage, live, stream, as_alice):
    before = Output.objects.get().destination.key
    page = as_alice.get(f"/streams/{stream.pk}/edit/").content.decode()
    assert 'name="service"' not in page
    assert as_alice.post(f"/streams/{stream.pk}/edit/", fields(stream)).status_code == 302
    assert Output.objects.get().destination.key == before


def test_ending_what_goes_nowhere_else_stops_the_stream(stage, live, stream, as_alice):
    as_alice.post(f"/streams/{stream.pk}/youtube/end/")
    stage.run(until=lambda: stage.broadcasts("complete"), seconds=120)
    stage.run(seconds=30)
    stream.refresh_from_db()
    assert stream.desired == Desired.OFF
    # The key stays for the next time.
    key = Output.objects.get(removed_at=None).destination.key
    as_alice.post(f"/streams/{stream.pk}/youtube/live/")
    stage.run(until=lambda: stage.broadcasts("live"), seconds=120)
    assert Output.objects.get(removed_at=None).destination.key == key


def test_the_interface_makes_one_without_a_destination(stage, stream, channel, workspace, alice):
    from django.test import Client

    from apps.accounts.services import create_token

    _, text = create_token(workspace=workspace, by=alice, name="t", scopes=[Scope.STREAMS])
    client = Client(headers={"authorization": f"Bearer {text}"})
    made = client.post(
        "/api/v1/streams",
        {"title": "Night", "playlist_id": str(stream.playlist_id), "profile": PROFILE},
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    assert made.json()["destination"] is None
