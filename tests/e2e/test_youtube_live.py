"""Connect, create, live in one click: everything is real but YouTube, which is simulated."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from playout import clock
from tests.e2e.conftest import Installation
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(240)]

CALM = {"read_lag_s": 2, "starting_min_s": 1, "starting_max_s": 2, "lost_answers": 0}
"""The other side's delays, which are not ours to judge."""
DELAYS_S = 2 + 2
MOST_SECONDS_TO_LIVE = 15
TITLE = "Harbour, live"


def sign_in(page: Page, installation: Installation) -> None:
    page.goto("/accounts/login/")
    page.fill("input[name=login]", "demo@example.org")
    page.fill("input[name=password]", installation.password())
    page.locator("form:has(input[name=login]) button[type=submit]").click()
    page.wait_for_url("**/dashboard/**")


def connect(page: Page) -> None:
    page.get_by_role("link", name="Channels").first.click()
    page.get_by_role("button", name="Connect a channel").click()
    page.get_by_label("Harbour Radio").check()
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/channels/*/")
    expect(page.locator("h1")).to_have_text("Harbour Radio")
    expect(page.get_by_text("May go live").first).to_be_visible()


def create(page: Page) -> None:
    page.get_by_role("link", name="Streams").first.click()
    page.get_by_role("link", name="New stream").first.click()
    page.fill("input[name=title]", TITLE)
    page.select_option("select[name=playlist]", label="Demo channel")
    page.select_option("select[name=profile]", "480p30-economy@1")
    # The connected channel is what is offered first, and it needs no key.
    expect(page.locator("select[name=service] option:checked")).to_contain_text("Harbour Radio")
    expect(page.locator("input[name=key]")).to_be_hidden()
    page.get_by_role("button", name="Create stream").click()
    expect(page.locator("h1")).to_have_text(TITLE)
    expect(page.locator("#youtube .badge-state")).to_have_text("Not on YouTube")


def ours(installation: Installation) -> dict[str, list[dict[str, Any]]]:
    """Our broadcasts and ingest points over there, without any lag."""
    told = installation.youtube()
    return {
        "streams": [one for one in told["streams"] if one["title"].startswith(TITLE)],
        "broadcasts": [
            one for one in told["broadcasts"] if one["title"] == TITLE and not one["deleted"]
        ],
    }


def states(installation: Installation) -> list[str]:
    return [one["state"] for one in ours(installation)["broadcasts"]]


def test_one_click_from_a_connected_channel_to_what_viewers_see(
    page: Page, installation: Installation
) -> None:
    installation.youtube("faults", **CALM)
    sign_in(page, installation)
    connect(page)
    create(page)

    page.get_by_role("button", name="Go live on YouTube").click()
    wait_until(
        lambda: any(one["status"] == "active" for one in ours(installation)["streams"]),
        "the ingest gets nothing",
        seconds=40,
    )
    active_at = clock.utc_now().timestamp()
    expect(page.locator("#youtube .badge-state")).to_have_text("Live on YouTube", timeout=60_000)
    (broadcast,) = ours(installation)["broadcasts"]
    took_s = broadcast["live_at"] - active_at
    assert took_s <= MOST_SECONDS_TO_LIVE + DELAYS_S, f"live {took_s:.1f} s after the ingest"
    expect(page.locator("#youtube")).to_contain_text("Viewers see it.")
    expect(page.locator("#live .badge-state").first).to_have_text("On air")
    assert states(installation) == ["live"]
    assert [one["publishers"] for one in ours(installation)["streams"]] == [["primary"]]

    with page.expect_popup() as opening:
        page.locator("#youtube-watch").click()
    seen = opening.value
    expect(seen.locator("h1")).to_have_text(TITLE)
    video = seen.locator("#watch")
    wait_until(
        lambda: video.evaluate("video => video.videoWidth === 854 && video.currentTime"),
        "the watch page shows nothing",
    )
    before = video.evaluate("video => video.currentTime")
    wait_until(
        lambda: video.evaluate("video => video.currentTime") > before + 1,
        "the picture stands still",
    )

    page.locator("#youtube-end").click()
    page.get_by_role("button", name=re.compile("End")).click()
    wait_until(lambda: states(installation) == ["complete"], "the broadcast goes on")
    expect(page.locator("#youtube .badge-state")).to_have_text("Not on YouTube", timeout=40_000)
    seen.locator("#watch-said[data-state=off]").wait_for()
    seen.close()


@pytest.mark.slow
def test_one_that_youtube_ends_while_it_takes_our_bytes_is_replaced_within_three_minutes(
    page: Page, installation: Installation
) -> None:
    installation.youtube("faults/reset", now=True)
    installation.youtube("faults", lost_answers=0, unknown_key="accept")
    sign_in(page, installation)
    page.goto("/streams/")
    known = page.get_by_role("link", name=TITLE)
    if known.count():
        known.first.click()
    else:
        connect(page)
        create(page)
    page.get_by_role("button", name="Go live on YouTube").click()
    wait_until(lambda: states(installation).count("live") == 1, "it is not live", seconds=120)
    accepted = installation.youtube()["accepted"]
    before = states(installation)
    (old,) = [one for one in ours(installation)["broadcasts"] if one["state"] == "live"]
    installation.youtube(f"broadcasts/{old['id']}/complete", now=True)
    wait_until(lambda: states(installation).count("live") == 1, "not replaced", seconds=180)
    time.sleep(90)
    assert len(states(installation)) == len(before) + 1
    assert states(installation).count("live") == 1
    assert installation.youtube()["accepted"] == accepted
    expect(page.locator("#youtube")).to_contain_text("Viewers see it.")
