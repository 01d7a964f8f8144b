"""Two workers at once, on a database that serves both: one renewal, one ledger, one message."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections
from django.utils import timezone

from apps.youtube import quota
from apps.youtube.client import QuotaSpent
from apps.youtube.models import OPERATOR, Alert, Channel, ChannelState, QuotaEntry
from apps.youtube.quota import Purpose
from apps.youtube.services import tokens

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite lets one write at a time anyway"
    ),
]

WORKERS = 4


def at_once(work, times=WORKERS):
    """Run `work` in as many threads, all let go together; what each returned."""
    gate = threading.Barrier(times)

    def one(number):
        try:
            gate.wait(60)
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def make(workspace):
    return Channel.objects.create(
        workspace=workspace, youtube_id="UC1", title="Harbour", state_since=timezone.now()
    )


def spend_all(channel, purpose, units):
    def work(_number):
        reserved = 0
        for _ in range(60):
            try:
                quota.spend(channel, "videos.list", units, purpose=purpose)
            except QuotaSpent:
                continue
            reserved += units
        return reserved

    return sum(at_once(work))


def test_no_unit_is_reserved_twice(workspace, settings):
    settings.YOUTUBE_QUOTA_PER_DAY = 1000
    channel = make(workspace)
    assert spend_all(channel, Purpose.ASKED, 7) == 847
    assert spend_all(channel, Purpose.KEEP, 7) == 147
    total = QuotaEntry.objects.get(workspace=None)
    own = QuotaEntry.objects.get(workspace=workspace)
    assert (total.units, own.units) == (994, 994)
    assert quota.standing(OPERATOR).used == 994


def test_no_workspace_takes_more_than_its_share(workspace, settings):
    settings.YOUTUBE_QUOTA_PER_WORKSPACE = 100
    assert spend_all(make(workspace), Purpose.ASKED, 7) == 98


def test_an_access_is_renewed_by_one_of_all_that_need_it(stage, as_alice):
    channel = stage.connect(as_alice)
    # The old refresh token dies with each renewal: a second one would find the access withdrawn.
    stage.set(rotates_refresh_tokens=True, oauth_slow_s=0.1)
    for _round in range(4):
        known = len(stage.world.access_tokens)
        stage.skip(3600 - 20)
        mine = [Channel.objects.get(pk=channel.pk) for _ in range(WORKERS)]
        told = at_once(lambda number, mine=mine: tokens.access_token(mine[number]))
        assert len(set(told)) == 1
        assert len(stage.world.access_tokens) <= known + 1
    channel.refresh_from_db()
    assert channel.state == ChannelState.CONNECTED
    assert not Alert.objects.exists()


def test_an_old_refusal_does_not_condemn_what_was_connected_meanwhile(stage, as_alice):
    channel = stage.connect(as_alice)
    for grant in stage.state()["grants"]:
        stage.act(f"grants/{grant['id']}/revoke")
    stage.skip(3600)
    arrived, may_go_on = threading.Event(), threading.Event()
    application = stage.youtube.application
    sign_in = application._sign_in

    async def held(request):
        if b"grant_type=refresh_token" in request.body:
            arrived.set()
            while not may_go_on.is_set():
                await asyncio.sleep(0.01)
        return await sign_in(request)

    application._sign_in = held

    def renew():
        try:
            return tokens.access_token(Channel.objects.get(pk=channel.pk))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        renewal = pool.submit(renew)
        try:
            assert arrived.wait(20)
            stage.connect(as_alice)
        finally:
            may_go_on.set()
        # It comes back with a refusal of the old access, and takes the new one.
        assert renewal.result(30)
    channel.refresh_from_db()
    assert channel.state == ChannelState.CONNECTED
    assert not Alert.objects.filter(resolved_at=None).exists()
