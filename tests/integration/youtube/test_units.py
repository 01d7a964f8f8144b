"""What streams cost of a project's units, and what the README says of it."""

import re
from datetime import timedelta
from math import ceil
from pathlib import Path

import pytest
from django.utils import timezone

from apps.youtube import quota, tasks
from apps.youtube.models import OPERATOR, Broadcast, QuotaEntry, Show
from apps.youtube.quota import Purpose
from tests.integration.youtube.conftest import many

pytestmark = pytest.mark.django_db

README = Path(__file__).resolve().parents[3] / "README.md"
SAID = re.compile(
    r"(?P<streams>\d+) public streams on as many channels cost (?P<units>\d+) API units each a "
    r"day, two rotations (?P<rotations>\d+) more: the 10,000 units of a project carry "
    r"(?P<without>\d+) streams without rotation, (?P<with>\d+) with two a day"
)


def said():
    """The figures of the README."""
    found = SAID.search(" ".join(README.read_text().split()))
    assert found, f"The README does not say: {SAID.pattern}"
    return {name: int(value) for name, value in found.groupdict().items()}


def day(streams, *, rotations=0):
    """Units of a day: a sweep a minute for each 50, health and a test of each channel."""
    sweeps = 24 * 60 * ceil(streams / 50)
    return sweeps + streams * (24 / 2 + 1 + rotations)


def carried(rotations):
    """How many streams leave the reserve for repairs alone."""
    most = int(10_000 * Purpose.WATCH.value)
    return max(n for n in range(1, 1000) if day(n, rotations=rotations) <= most)


def pass_time(stage, hours):
    """Minutes with a sweep each, and the hourly look at channels."""
    for minute in range(round(hours * 60)):
        stage.skip(60)
        stage.node()
        tasks.sweep()
        if minute % 60 == 0:
            tasks.test_channels()


def calls():
    rows = QuotaEntry.objects.exclude(workspace=None)
    found: dict[str, int] = {}
    for row in rows:
        found[row.method] = found.get(row.method, 0) + row.calls
    return found


def test_the_readme_says_what_units_carry(capsys):
    figures = said()
    told = {
        "streams": 50, "units": round(day(50) / 50), "rotations": figures["rotations"],
        "without": carried(0), "with": carried(figures["rotations"]),
    }  # fmt: skip
    with capsys.disabled():
        print(f"\nunits: {told}")
    assert figures == told
    assert figures["units"] <= 60
    # With a thumbnail for each new broadcast as well.
    assert figures["units"] + figures["rotations"] + 2 * 50 <= 600


@pytest.mark.slow
def test_a_day_costs_what_is_reckoned(stage, live, workspace, alice):
    many(stage, live, workspace, alice, 4)
    stage.skip(60)
    before = calls()
    pass_time(stage, 1.1)
    spent = {name: count - before.get(name, 0) for name, count in calls().items()}
    spent = {name: count for name, count in spent.items() if count}
    # One question a minute for up to 50; health once in two hours; one test of each.
    assert spent.pop("videos.list") == 66
    assert spent.pop("liveStreams.list") <= 4
    assert spent.pop("liveBroadcasts.list", 0) <= 4
    assert spent == {}
    assert not Broadcast.objects.filter(is_suspect=True).exists()


def test_a_rotation_costs_what_the_readme_says(stage, live, capsys):
    Show.objects.update(policy="archives", look_at=timezone.now())
    Broadcast.objects.update(live_at=timezone.now() - timedelta(hours=10, minutes=45))
    before = calls()
    stage.run(until=lambda: bool(stage.broadcasts("complete")), seconds=3 * 3600, sweep_every=1200)
    stage.run(until=lambda: Broadcast.objects.filter(ended_at=None).count() == 1, seconds=300)
    spent = {name: count - before.get(name, 0) for name, count in calls().items()}
    sweeping = spent.pop("videos.list", 0)
    units = sum(quota_of(name) * count for name, count in spent.items())
    with capsys.disabled():
        print(f"\nunits of one rotation: {units}, besides {sweeping} for sweeps")
    assert 200 <= units <= said()["rotations"] / 2
    assert stage.gaps == []


def quota_of(method):
    return 1 if method.endswith(".list") else 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_whole_day_of_fifty_streams(stage, live, workspace, alice, capsys):
    stage.set(calls_per_minute=100_000)
    many(stage, live, workspace, alice, 50)
    # From midnight to midnight in California.
    stage.skip((quota.resets_at(timezone.now()) - timezone.now()).total_seconds() + 60)
    stage.node()
    begun = quota.today()
    pass_time(stage, 23.9)
    # Of the day that began then: where the machine is slow, the next one may have begun since.
    units = QuotaEntry.objects.get(project=OPERATOR, day=begun, workspace=None).units / 50
    with capsys.disabled():
        print(f"\nunits of each of 50 streams in a day: {units:.1f}")
    assert units <= 60
    assert abs(units - said()["units"]) <= 2
    assert not Broadcast.objects.filter(is_suspect=True).exists()
