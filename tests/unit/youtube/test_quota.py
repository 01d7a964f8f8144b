from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.youtube import quota
from apps.youtube.client import QuotaSpent
from apps.youtube.models import OPERATOR, Channel, OAuthClient, QuotaEntry
from apps.youtube.quota import Purpose

pytestmark = pytest.mark.django_db


@pytest.fixture
def channel(workspace):
    return Channel.objects.create(
        workspace=workspace, youtube_id="UC1", title="Harbour", state_since=timezone.now()
    )


def spend(channel, units=50, purpose=Purpose.KEEP, now=None, times=1):
    for _ in range(times):
        quota.spend(channel, "liveBroadcasts.insert", units, purpose=purpose, now=now)


@pytest.mark.parametrize(
    ("moment", "resets", "hours"),
    [
        # Summer begins on 8 March 2026: that day has 23 hours, and resets an hour earlier.
        (datetime(2026, 3, 8, 8, 30, tzinfo=UTC), datetime(2026, 3, 9, 7, tzinfo=UTC), 23),
        # It ends on 1 November 2026: 25 hours.
        (datetime(2026, 11, 1, 7, 30, tzinfo=UTC), datetime(2026, 11, 2, 8, tzinfo=UTC), 25),
        (datetime(2026, 7, 1, 12, 0, tzinfo=UTC), datetime(2026, 7, 2, 7, tzinfo=UTC), 24),
    ],
)
def test_the_day_is_california_s_and_has_its_hours(moment, resets, hours):
    assert quota.resets_at(moment) == resets
    before = resets - timedelta(hours=hours)
    assert quota.day_of(before) == quota.day_of(moment)
    assert quota.day_of(before - timedelta(seconds=1)) != quota.day_of(moment)


def test_units_are_reserved_by_project_workspace_and_method(channel):
    spend(channel, times=2)
    quota.spend(channel, "videos.list", 1, purpose=Purpose.WATCH)
    total = QuotaEntry.objects.get(workspace=None)
    assert (total.project, total.units, total.calls) == (OPERATOR, 101, 3)
    own = {entry.method: entry.units for entry in quota.entries_of(channel.workspace)}
    assert own == {"liveBroadcasts.insert": 100, "videos.list": 1}


def test_a_reserve_is_kept_for_repairing_and_ending(channel, settings):
    settings.YOUTUBE_QUOTA_PER_DAY = 1000
    spend(channel, purpose=Purpose.ASKED, times=17)
    with pytest.raises(QuotaSpent):
        spend(channel, purpose=Purpose.ASKED)
    with pytest.raises(QuotaSpent):
        spend(channel, units=1, purpose=Purpose.NICE)
    quota.spend(channel, "videos.list", 1, purpose=Purpose.WATCH)
    spend(channel, times=2)
    with pytest.raises(QuotaSpent):
        spend(channel)
    assert quota.standing(OPERATOR).used == 951
    refused = QuotaEntry.objects.get(method="liveBroadcasts.insert")
    assert refused.refused == 3


def test_the_next_day_begins_anew(channel, settings):
    settings.YOUTUBE_QUOTA_PER_DAY = 50
    late = datetime(2026, 7, 1, 6, 59, tzinfo=UTC)
    spend(channel, now=late)
    with pytest.raises(QuotaSpent):
        spend(channel, now=late)
    spend(channel, now=late + timedelta(minutes=1))


def test_when_google_says_it_is_over_one_call_an_hour_finds_out(channel):
    now = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    spend(channel, now=now)
    quota.note_exhausted(channel, now=now)
    assert quota.standing(OPERATOR, now=now).is_exhausted
    let_through = 0
    for minutes in range(1, 181):
        try:
            spend(channel, units=1, now=now + timedelta(minutes=minutes))
        except QuotaSpent:
            continue
        let_through += 1
    assert let_through == 3
    with pytest.raises(QuotaSpent):
        quota.spend(channel, "x.list", 1, purpose=Purpose.ASKED, now=now + timedelta(hours=5))
    quota.note_answer(channel, now=now + timedelta(hours=4))
    assert not quota.standing(OPERATOR, now=now + timedelta(hours=4)).is_exhausted


def test_one_workspace_cannot_use_up_what_all_share(channel, settings):
    settings.YOUTUBE_QUOTA_PER_WORKSPACE = 100
    spend(channel, purpose=Purpose.ASKED, times=2)
    with pytest.raises(QuotaSpent):
        spend(channel, purpose=Purpose.ASKED)
    # What is on air is repaired all the same.
    spend(channel, purpose=Purpose.KEEP)


def test_a_client_of_one_s_own_has_a_quota_of_its_own(channel, workspace):
    own = OAuthClient.objects.create(workspace=workspace, client_id="x", units_per_day=60)
    channel.client = own
    channel.save()
    spend(channel)
    with pytest.raises(QuotaSpent):
        spend(channel)
    assert quota.standing(OPERATOR).used == 0
    assert quota.standing(own.project).left == 10


def test_the_refusal_says_when_it_is_over(channel, settings):
    settings.YOUTUBE_QUOTA_PER_DAY = 1
    with pytest.raises(QuotaSpent, match="07:00 UTC"):
        spend(channel, now=datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
