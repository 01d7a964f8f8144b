"""The simulator's own pages, as a person uses them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import imageio_ffmpeg
import pytest
import requests
from playwright.sync_api import Browser, Page

from playout import clock
from simulator import seed
from simulator.faults import Behaviour
from simulator.server import Options, Running, in_thread
from tests.waiting import wait_until

SCOPE = "https://www.googleapis.com/auth/youtube"


@pytest.fixture
def simulator() -> Iterator[Running]:
    calm = Behaviour(read_lag_s=0, lost_answers=0)
    with in_thread(Options(scale=5, behaviour=calm)) as running:
        yield running


@pytest.fixture
def phone(browser: Browser, simulator: Running) -> Iterator[Page]:
    """A page as wide as a phone; what it complains about fails the test."""
    complaints: list[str] = []
    context = browser.new_context(
        base_url=simulator.url, viewport={"width": 390, "height": 844}, service_workers="block"
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    yield page
    context.close()
    # A broadcast without a picture answers 404, and the page asks again.
    assert [each for each in complaints if "status of 404" not in each] == []


def allowed(page: Page, simulator: Running) -> str:
    """An access token, by way of the consent page."""
    # The simulator's own address stands in for the client's: it answers with a page.
    back = f"{simulator.url}/simulator/"
    asked = {
        "client_id": seed.CLIENT_ID, "redirect_uri": back, "response_type": "code",
        "scope": f"openid {SCOPE}", "state": "s", "access_type": "offline", "prompt": "consent",
    }  # fmt: skip
    page.goto(f"/o/oauth2/v2/auth?{urlencode(asked)}")
    assert not page.get_by_label("Manage your YouTube account").is_checked()
    page.get_by_label("Night Train").check()
    page.get_by_label("Manage your YouTube account").check()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/simulator/?*")
    code = parse_qs(urlsplit(page.url).query)["code"][0]
    fields = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": back,
        "client_id": seed.CLIENT_ID, "client_secret": seed.CLIENT_SECRET,
    }  # fmt: skip
    answer = requests.post(f"{simulator.url}/token", data=fields, timeout=60)
    return str(answer.json()["access_token"])


def played(page: Page) -> float:
    return float(page.evaluate("document.getElementById('watch').currentTime"))


def is_narrow(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.slow  # test_youtube_live watches one in CI
def test_a_broadcast_is_watched_until_it_is_ended(phone: Page, simulator: Running) -> None:
    token = allowed(phone, simulator)
    api = f"{simulator.url}/youtube/v3"
    headers = {"authorization": f"Bearer {token}"}

    def post(path: str, body: object = None, **query: str) -> dict[str, str]:
        answer = requests.post(
            f"{api}/{path}", json=body, params=query, headers=headers, timeout=60
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()
        return found

    cdn = {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"}
    stream = post("liveStreams", {"snippet": {"title": "Key"}, "cdn": cdn}, part="snippet,cdn")
    start = (clock.utc_now() + timedelta(minutes=2)).isoformat()
    body = {
        "snippet": {"title": "Harbour & night",
                    "scheduledStartTime": start},
        "status": {"privacyStatus": "unlisted"},
        "contentDetails": {"enableAutoStart": True},
    }  # fmt: skip
    made = post("liveBroadcasts", body, part="snippet,status,contentDetails")
    post("liveBroadcasts/bind", part="id", id=made["id"], streamId=stream["id"])
    key = stream["cdn"]["ingestionInfo"]["streamName"]  # type: ignore[index]
    encoder = subprocess.Popen(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-re",
         "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-f", "lavfi", "-i", "sine=440",
         "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p",
         "-c:a", "aac", "-t", "120", "-f", "flv", f"{simulator.rtmp_url}/live2/{key}"],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        phone.goto("/")
        phone.get_by_role("link", name="Harbour & night").wait_for()
        phone.locator(".badge.live").first.wait_for()
        assert is_narrow(phone)
        assert key not in phone.content()
        phone.get_by_role("link", name="Harbour & night").click()
        phone.locator("#watch-said[data-state=playing]").wait_for()
        before = played(phone)
        wait_until(lambda: played(phone) > before + 1, "the picture moves")
        assert phone.evaluate("document.getElementById('watch').videoWidth") == 320
        assert is_narrow(phone)
        phone.goto("/")
        phone.get_by_role("button", name="End", exact=True).click()
        phone.locator(".badge.complete").wait_for()
        phone.get_by_role("link", name="Harbour & night").click()
        phone.locator("#watch-said[data-state=off]").wait_for()
        assert encoder.poll() is None
    finally:
        encoder.kill()
        encoder.wait()


def test_switches_are_set_on_the_page(phone: Page, simulator: Running) -> None:
    phone.goto("/")
    phone.get_by_label("api", exact=True).select_option("down")
    phone.get_by_label("units per day").fill("7")
    phone.locator("form[action='/simulator/faults'] button").click()
    phone.locator(".switch.changed select[name=api]").wait_for()
    assert simulator.world.behaviour.api == "down"
    assert simulator.world.behaviour.units_per_day == 7
    phone.get_by_role("button", name="Back to how it was started").click()
    phone.locator(".switch:not(.changed) select[name=api]").wait_for()
    assert simulator.world.behaviour.api == "up"
