"""What sweeps and pages ask of the database: the same for a few streams and for twenty."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.youtube import tasks
from apps.youtube.models import Broadcast, Show
from tests.integration.youtube.conftest import many

pytestmark = pytest.mark.django_db


def quiet_sweep(stage):
    """The statements of a sweep in which nothing has changed since the one before."""
    # So long that health, once read, is doubted again.
    for _minute in range(6):
        stage.skip(60)
        stage.node()
        tasks.sweep()
    stage.skip(60)
    stage.node()
    with CaptureQueriesContext(connection) as queries:
        tasks.sweep()
    assert not Broadcast.objects.filter(is_suspect=True).exists()
    assert not Show.objects.filter(look_at__isnull=False).exists()
    return [one["sql"] for one in queries]


def test_the_page_of_a_channel_costs_the_same_for_one_stream_and_for_twenty(
    stage, live, workspace, alice, as_alice
):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            page = as_alice.get(live.channel.get_absolute_url()).content.decode()
        return len(queries), page.count("Watch Rain")

    # What a session or a cache needs once is not the page's.
    cost()
    one, links = cost()
    assert links == 1
    many(stage, live, workspace, alice, 20)
    Show.objects.update(channel=live.channel)
    for number, broadcast in enumerate(Broadcast.objects.all(), start=1):
        broadcast.channel = live.channel
        broadcast.scheduled_start += timedelta(seconds=number)
        broadcast.save()
    assert cost() == (one, 20)
    assert one <= 6


def test_a_quiet_sweep_costs_the_same_for_five_streams_and_for_twenty(
    stage, live, workspace, alice, capsys
):
    many(stage, live, workspace, alice, 5)
    five = quiet_sweep(stage)
    many(stage, live, workspace, alice, 20, first=5)
    twenty = quiet_sweep(stage)
    with capsys.disabled():
        print(f"\nstatements of a quiet sweep: {len(five)} for 5, {len(twenty)} for 20")
    assert len(twenty) == len(five), twenty
