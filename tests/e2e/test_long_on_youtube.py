"""Days on the simulated YouTube in minutes: real processes, real RTMP, nobody touches anything."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Installation, installed
from tests.e2e.test_youtube_live import connect, create, ours, sign_in, states
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.timeout(1500),
]

ROTATIONS = 10
IN_HOURS = 1200
"""Times as fast: a rotation each 31 s, and five seconds between ours and the archive's limit."""
IN_MINUTES = 60
MOST_SILENT_S = 2.5
"""Between two pictures at the ingest: what is on air never stops, so this is the machine's own."""


@pytest.fixture(scope="module")
def installation(request: pytest.FixtureRequest) -> Iterator[Installation]:
    """One that takes part in a world in which YouTube's time runs faster."""
    with installed(
        YOUTUBE_TIME_SCALE=str(request.param), YOUTUBE_QUOTA_PER_DAY="1000000"
    ) as running:
        running.youtube("faults", lost_answers=0, units_per_day=1_000_000)
        yield running


def go_live(page: Page, installation: Installation, *, policy: str = "forever") -> None:
    sign_in(page, installation)
    connect(page)
    create(page)
    page.locator("#youtube-change").click()
    page.select_option("select[name=policy]", policy)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Go live on YouTube").click()
    wait_until(lambda: "live" in states(installation), "it is not live")


def dark_s(installation: Installation, *, since: float = 0.0) -> float:
    """Seconds without a live broadcast from the first one to the newest; by YouTube's record."""
    spans = sorted(
        (one["live_at"], one["ended_at"] or float("inf"))
        for one in ours(installation)["broadcasts"]
        if one["live_at"] and one["live_at"] >= since
    )
    dark, lit_until = 0.0, spans[0][0]
    for live_at, ended_at in spans:
        dark += max(0.0, live_at - lit_until)
        lit_until = max(lit_until, ended_at)
    return dark if lit_until == float("inf") else float("inf")


@contextmanager
def unbroken(installation: Installation) -> Iterator[None]:
    """Fails unless the ingest got pictures on the same connections all the while."""
    known: dict[str, tuple[str, int, float]] = {}
    faults: list[str] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.25):
            now = time.monotonic()
            seen = {one["id"]: one for one in installation.receiver()["streams"]}
            faults.extend(f"{gone} left" for gone in known.keys() - seen.keys())
            for name, one in seen.items():
                since, count, at = known.get(name, (one["connected_since"], -1, now))
                if one["connected_since"] != since:
                    faults.append(f"{name} connected again")
                if one["video_messages"] > count:
                    at = now
                elif now - at > MOST_SILENT_S:
                    faults.append(f"{name} silent for {now - at:.1f} s")
                known[name] = (one["connected_since"], one["video_messages"], at)

    watcher = threading.Thread(target=watch, name="watcher")
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
    assert not faults, faults[:5]


def without_archive(installation: Installation) -> list[float]:
    """Hours that each broadcast was live that was live for too long."""
    return [
        (one["ended_at"] - one["live_at"]) * IN_HOURS / 3600
        for one in ours(installation)["broadcasts"]
        if one["state"] == "complete" and not one["has_archive"]
    ]


def rotated(installation: Installation, count: int) -> Any:
    return lambda: states(installation).count("complete") >= count


@pytest.mark.parametrize("installation", [IN_HOURS], indirect=True)
def test_ten_rotations_on_one_connection_and_ten_where_no_key_is_shared(
    page: Page, installation: Installation
) -> None:
    go_live(page, installation, policy="archives")
    accepted = installation.youtube()["accepted"]
    with unbroken(installation):
        wait_until(rotated(installation, ROTATIONS), "ten rotations", seconds=900)
    assert installation.youtube()["accepted"] == accepted
    assert len(ours(installation)["streams"]) == 1
    assert dark_s(installation) == 0.0
    assert without_archive(installation) == []

    installation.youtube("faults", broadcasts_per_key=1)
    wait_until(rotated(installation, 2 * ROTATIONS), "ten more", seconds=900)
    assert dark_s(installation) == 0.0
    assert len(ours(installation)["streams"]) == 2
    assert without_archive(installation) == []


def alerts(installation: Installation) -> list[tuple[str, bool]]:
    """What was told to people: code, and whether it is over."""
    with sqlite3.connect(installation.data_dir / "db.sqlite3", timeout=60) as database:
        rows = database.execute("SELECT code, resolved_at IS NOT NULL FROM youtube_alert")
        return [(code, bool(over)) for code, over in rows]


def mails(installation: Installation) -> list[str]:
    """Subjects of what was mailed."""
    texts = [path.read_text() for path in (installation.data_dir / "outbox").glob("*")]
    return [line for text in texts for line in text.splitlines() if line.startswith("Subject:")]


def replaced(installation: Installation) -> float:
    """End the broadcast over there; seconds until there is another, and only one."""
    before = states(installation)
    (old,) = [one for one in ours(installation)["broadcasts"] if one["state"] == "live"]
    began = time.monotonic()
    installation.youtube(f"broadcasts/{old['id']}/complete", now=True)
    wait_until(lambda: states(installation).count("live") == 1, "it is not replaced", seconds=200)
    assert len(states(installation)) == len(before) + 1
    return time.monotonic() - began


@pytest.mark.parametrize("installation", [IN_MINUTES], indirect=True)
def test_no_api_no_quota_and_no_access_leave_the_air_alone_and_heal(
    page: Page, installation: Installation
) -> None:
    go_live(page, installation)
    with unbroken(installation):
        installation.youtube("faults", api="down")
        time.sleep(3600 / IN_MINUTES)
        installation.youtube("faults", api="up")
        assert alerts(installation) == []
        replaced(installation)

        installation.youtube("faults", units_per_day=1)
        time.sleep(1800 / IN_MINUTES)
        assert alerts(installation) == []
        installation.youtube("faults", units_per_day=1_000_000)
        replaced(installation)

        for grant in installation.youtube()["grants"]:
            installation.youtube(f"grants/{grant['id']}/revoke", now=True)
        wait_until(
            lambda: alerts(installation) == [("channel.reconnect", False)],
            "nobody is told that access is gone",
            seconds=120,
        )
        wait_until(lambda: mails(installation), "nobody gets a mail", seconds=120)
        page.get_by_role("link", name="Channels").first.click()
        expect(page.get_by_text("Reconnect the channel Harbour Radio")).to_have_count(1)
        page.get_by_role("button", name="Reconnect Harbour Radio").click()
        for box in page.get_by_role("checkbox").all():
            box.check()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url("**/channels/*/")
        wait_until(
            lambda: alerts(installation) == [("channel.reconnect", True)], "it is not healed"
        )
        replaced(installation)
    assert len(alerts(installation)) == 1
    assert mails(installation) == ["Subject: Reconnect the channel Harbour Radio"]
