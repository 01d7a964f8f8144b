"""One receiver is one publishing point: at a start, and for what an earlier release wrote down."""

import importlib

import pytest
from django.apps import apps
from django.db import connection

from apps.streaming import destinations, stream_manager
from apps.streaming.models import Destination, Output
from apps.streaming.stream_manager import StartRefused
from tests.integration.streaming.conftest import make_stream

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
TWITCH = ("rtmp://live.twitch.tv/app", "rtmps://fra05.contribute.live-video.net/app")


@pytest.fixture
def renew():
    migration = importlib.import_module("apps.streaming.migrations.0011_one_receiver_one_point")
    return lambda: migration.renew(apps, None)


@pytest.fixture
def pair(workspace, playlist, alice):
    """Two streams with one key of one service, whose addresses are written differently."""
    return [
        make_stream(workspace, playlist, title=address, address=address, by=alice)
        for address in TWITCH
    ]


def as_of_old(stream, point):
    """Have an earlier release called its publishing point `point`."""
    Destination.objects.filter(outputs__stream=stream).update(fingerprint=point)
    stream.outputs.exclude(publishing_point="").update(publishing_point=point)


def points(stream):
    output = Output.objects.select_related("destination").get(stream=stream)
    return output.destination.fingerprint, output.publishing_point


def test_a_key_is_on_air_once_however_its_address_is_written(pair):
    first, second = pair
    stream_manager.start_stream(stream=first)
    with pytest.raises(StartRefused):
        stream_manager.start_stream(stream=second)


def test_an_upgrade_renews_what_is_on_air_and_what_is_off(pair, renew):
    first, second = pair
    stream_manager.start_stream(stream=first)
    as_of_old(first, "one")
    as_of_old(second, "other")
    renew()
    point = destinations.fingerprint(TWITCH[0], first.outputs.get().destination.key)
    assert points(first) == (point, point)
    assert points(second) == (point, "")


def test_two_that_were_let_on_air_together_stay_so_until_the_next_start(pair, renew):
    first, second = pair
    stream_manager.start_stream(stream=first)
    as_of_old(first, "one")
    Destination.objects.filter(outputs__stream=second).update(fingerprint="other")
    stream_manager.start_stream(stream=second)
    renew()
    (point, on_air), (same, kept) = points(first), points(second)
    assert point == same
    assert {on_air, kept} in ({point, "one"}, {point, "other"})


def test_a_key_that_cannot_be_read_any_more_keeps_its_point(pair, renew):
    first, second = pair
    as_of_old(first, "one")
    as_of_old(second, "other")
    place = first.outputs.get().destination
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE streaming_destination SET key = 'lost' WHERE fingerprint = %s", ["one"]
        )
    renew()
    assert Destination.objects.defer("key").get(pk=place.pk).fingerprint == "one"
    assert points(second)[0] != "other"
