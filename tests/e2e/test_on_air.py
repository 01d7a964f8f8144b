"""A person signs up, uploads, starts, sees "On air", watches, and stops. Nothing is pretended."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Installation
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(420)]

KEY = "e2e7-9f3k-hq2v-xm4t-0b8d"
KEY_ID = hashlib.sha256(KEY.encode()).hexdigest()[:16]
BADGE = "#live .badge-state >> nth=0"  # the stream's own; each receiver has one too


def received(installation: Installation) -> dict[str, object] | None:
    """What the receiver says of our stream."""
    streams = installation.receiver()["streams"]
    return next((stream for stream in streams if stream["id"] == KEY_ID), None)


def sign_up(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name=re.compile("sign up|create|start", re.IGNORECASE)).first.click()
    page.fill("input[name=email]", "ada@example.org")
    page.fill("input[name=password1]", "correct horse battery staple")
    page.fill("input[name=password2]", "correct horse battery staple")
    page.locator("form:has(input[name=password1]) button[type=submit]").click()
    page.wait_for_url("**/dashboard/**")


def upload(page: Page, clip: Path) -> None:
    page.get_by_role("link", name="Library").first.click()
    page.set_input_files("#upload-files", clip)
    row = page.locator(".asset-row", has_text="Harbour at night")
    expect(row).to_be_visible(timeout=40_000)
    expect(row.locator(".badge-state", has_text="Ready")).to_be_visible(timeout=120_000)


def make_playlist(page: Page) -> None:
    page.get_by_role("link", name="Playlists").first.click()
    page.fill("input[name=name]", "Night")
    page.get_by_role("button", name="Create playlist").click()
    page.get_by_role("button", name="Add Harbour at night").click()
    expect(page.locator(".item-row")).to_have_count(1)
    page.get_by_role("button", name="Add Harbour at night").click()
    expect(page.locator(".item-row")).to_have_count(2)


def make_stream(page: Page, installation: Installation) -> None:
    page.get_by_role("link", name="Streams").first.click()
    page.get_by_role("link", name="New stream").first.click()
    page.fill("input[name=title]", "Harbour, always")
    page.select_option("select[name=playlist]", label="Night")
    page.select_option("select[name=profile]", "480p30-economy@1")
    page.select_option("select[name=service]", "other")
    page.fill("input[name=address]", installation.setting("INGEST_SIMULATOR_URL"))
    page.fill("input[name=key]", KEY)
    page.get_by_role("button", name="Create stream").click()
    expect(page.locator("h1")).to_have_text("Harbour, always")
    expect(page.locator(BADGE)).to_have_text("Off")


def test_a_person_goes_on_air_watches_and_stops(
    page: Page, installation: Installation, clip: Path
) -> None:
    sign_up(page)
    upload(page, clip)
    make_playlist(page)
    make_stream(page, installation)
    assert received(installation) is None

    began = time.monotonic()
    page.get_by_role("button", name="Start").click(no_wait_after=True)
    wait_until(
        lambda: (now := received(installation)) and now["video_messages"] > 0,
        "no picture has arrived",
    )
    print(f"From Start to the first picture: {time.monotonic() - began:.2f} s")
    expect(page.locator(BADGE)).to_have_text("On air", timeout=40_000)
    first = received(installation)
    assert first is not None, "the page said On air and the receiver has nothing"
    more = wait_until(
        lambda: (now := received(installation)) and now["bytes"] > first["bytes"] and now,
        "the receiver gets nothing more",
    )
    assert (more["width"], more["height"]) == (854, 480)
    expect(page.locator(".air-title").first).to_have_text("Harbour at night")
    expect(page.locator(".event", has_text="On air at 127.0.0.1").first).to_be_visible()

    page.get_by_role("link", name="Watch").click()
    video = page.locator("#watch")
    wait_until(
        lambda: video.evaluate("video => video.videoWidth === 854 && video.currentTime"),
        "the browser shows nothing of what the receiver gets",
    )
    before = video.evaluate("video => video.currentTime")
    wait_until(
        lambda: video.evaluate("video => video.currentTime") > before + 1,
        "the picture stands still",
    )

    page.get_by_role("link", name="Harbour, always").click()
    page.get_by_role("link", name="Stop").click()
    page.locator("dialog[open]").get_by_role("button", name="Stop").click()
    expect(page.locator(BADGE)).to_have_text("Off", timeout=40_000)
    wait_until(lambda: received(installation) is None, "the receiver still gets the stream")

    assert KEY not in page.content()
    for path in [*installation.data_dir.glob("log/*"), installation.output]:
        assert KEY not in path.read_text(errors="replace"), f"the key stands in {path.name}"
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert KEY.encode() not in process.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_an_address_that_is_not_allowed_is_explained(
    page: Page, installation: Installation
) -> None:
    page.goto("/accounts/login/")
    password = re.search(r"Password\s+(\S+)", installation.output.read_text())
    assert password is not None
    page.fill("input[name=login]", "demo@example.org")
    page.fill("input[name=password]", password[1])
    page.locator("form:has(input[name=login]) button[type=submit]").click()
    page.wait_for_url("**/dashboard/**")
    # The demo channel, which `up` has put on air before it said "Ready".
    expect(page.locator("#board .badge-state").first).to_have_text("On air")
    page.get_by_role("link", name="Streams").first.click()
    page.get_by_role("link", name="New stream").first.click()
    page.fill("input[name=title]", "Into the void")
    page.select_option("select[name=playlist]", label="Demo channel")
    page.select_option("select[name=profile]", "480p30-economy@1")
    page.select_option("select[name=service]", "other")
    page.fill("input[name=address]", "rtmp://127.0.0.1:9/live2")
    page.fill("input[name=key]", KEY)
    page.get_by_role("button", name="Create stream").click()
    # Port 9 is not on the operator's list: the form says so, and nothing is created.
    expect(page.locator(".field-error").first).to_contain_text("allowed")
