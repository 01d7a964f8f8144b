"""Live parts: asked for at once after sleep, quiet when nobody looks, honest when we are away."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, Request, expect

from tests.e2e.pages import Showcase, ask_live_parts

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(300)]

HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => hidden ? "hidden" : "visible" });
  document.dispatchEvent(new Event("visibilitychange"));
}"""  # noqa: E501


@pytest.fixture
def page(browser: Browser, showcase: Showcase) -> Iterator[Page]:
    context = showcase.context(browser, "alice")
    yield context.new_page()
    context.close()


def asked(page: Page) -> list[Request]:
    """Fragments that the page asks for from now on."""
    requests: list[Request] = []
    page.on("request", lambda one: one.headers.get("hx-request") and requests.append(one))
    return requests


def live_addresses(showcase: Showcase) -> list[str]:
    return ["/dashboard/", "/streams/", f"/streams/{showcase.known['streams']['on_air']}/",
            "/library/"]  # fmt: skip


def test_what_did_not_change_is_answered_with_304(page: Page, showcase: Showcase) -> None:
    for address in live_addresses(showcase):
        page.goto(address)
        requests = asked(page)
        assert ask_live_parts(page), address
        ask_live_parts(page)
        again: dict[str, list[int]] = {}
        for one in requests:
            answer = one.response()
            again.setdefault(one.url, []).append(answer.status if answer else 0)
        repeated = {url: statuses for url, statuses in again.items() if len(statuses) > 1}
        assert repeated, address
        for url, statuses in repeated.items():
            assert set(statuses[1:]) == {304}, url


def test_a_change_is_shown_without_a_new_page(page: Page, showcase: Showcase) -> None:
    page.goto("/dashboard/")
    pk = showcase.known["streams"]["on_air"]
    card = page.locator(".board-card", has=page.locator(f"#board-{pk}"))
    expect(card).to_contain_text("4.6")
    page.locator(f"#board-{pk}").focus()
    change = sqlite3.connect(showcase.data_dir / "db.sqlite3", timeout=20)
    try:
        for kbps in (3210, 4630):
            with change:
                change.execute(
                    "UPDATE streaming_output SET kbps = ? WHERE stream_id = ?",
                    (kbps, pk.replace("-", "")),
                )
            expect(card).to_contain_text(f"{kbps / 1000:.1f}", timeout=40_000)
    finally:
        change.close()
    # Whoever is at the keyboard is not thrown out of their place.
    assert page.evaluate("document.activeElement.id") == f"board-{pk}"


def test_a_hidden_page_asks_nothing_and_asks_at_once_when_it_is_seen(
    page: Page, showcase: Showcase
) -> None:
    for address in live_addresses(showcase):
        tab = page.context.new_page()
        tab.clock.install()
        tab.goto(address)
        tab.evaluate(HIDE, True)
        tab.wait_for_load_state("networkidle")
        requests = asked(tab)
        tab.clock.run_for(30_000)
        # From now on nothing is asked because its time has come.
        tab.clock.pause_at(timezone.now() + timedelta(hours=1))
        tab.wait_for_load_state("networkidle")
        assert requests == [], address
        with tab.expect_request(lambda one: "hx-request" in one.headers):
            tab.evaluate(HIDE, False)
        tab.close()


def test_a_lost_server_is_said_with_the_age_of_what_is_shown(
    page: Page, showcase: Showcase
) -> None:
    page.goto("/streams/")
    ask_live_parts(page)
    page.context.set_offline(True)
    said = page.locator("#connection")
    expect(said).to_be_visible(timeout=40_000)
    expect(said).to_have_text(re.compile(r"Connection lost\. .*state of 21:42:10"))
    page.context.set_offline(False)
    expect(said).to_be_hidden(timeout=40_000)


def test_who_was_signed_out_meanwhile_sees_the_way_back_not_half_a_page(
    page: Page, showcase: Showcase
) -> None:
    page.goto("/dashboard/")
    page.context.clear_cookies()
    page.wait_for_url("**/accounts/login/**", timeout=40_000)
    expect(page.locator("h1")).to_have_count(1)


def test_times_of_events_have_seconds_and_days_are_said_once(
    page: Page, showcase: Showcase
) -> None:
    page.goto(f"/streams/{showcase.known['streams']['on_air']}/")
    times = page.locator("#event-list li.event time").all_inner_texts()
    assert times
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", text) for text in times)
    days = page.locator("#event-list .event-day").all_inner_texts()
    # Another test may have made something happen today.
    assert days[-2:] == ["Yesterday", "Thursday, March 12"]
    assert len(days) == len(set(days))
