"""What assistive programs find in what opens on a page, in both themes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e.axe_core import complaints
from tests.e2e.pages import Showcase, stop_motion

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(600)]


def test_nothing_serious_in_what_opens(browser: Browser, showcase: Showcase) -> None:
    context = showcase.context(browser, "alice", viewport={"width": 390, "height": 844})
    page = context.new_page()
    found: dict[str, list[Any]] = {}

    def look(name: str) -> None:
        stop_motion(page)
        found[f"{name}, light"] = complaints(page)
        page.emulate_media(color_scheme="dark")
        found[f"{name}, dark"] = complaints(page, only_colours=True)
        page.emulate_media(color_scheme="light")

    page.goto(f"/streams/{showcase.known['streams']['on_air']}/")
    page.get_by_role("link", name="Stop").click()
    look("stop")
    page.keyboard.press("Escape")
    page.locator("#stream-actions summary").click()
    look("menu")
    page.goto("/library/")
    page.locator(".pick").first.check()
    page.locator(".bulk").get_by_role("button", name="Add to a playlist").click()
    page.get_by_role("dialog").wait_for()
    look("pick a playlist")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="New folder").click()
    page.get_by_role("dialog").wait_for()
    look("new folder")
    page.goto(f"/playlists/{showcase.known['playlist']}/")
    page.locator("[id^=down-]").first.click()
    page.locator("#items-undo").wait_for()
    look("undo")
    page.locator("#undo").click()
    page.goto("/playlists/")
    page.get_by_role("link", name="New playlist").click()
    look("new playlist")
    page.goto("/settings/tokens/")
    page.locator("[name=name]").fill("Nightly backup")
    page.get_by_role("button", name="Make token").click()
    page.locator("#made-token").wait_for()
    look("a new token")
    context.close()
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_the_judge_sees_what_is_wrong(browser: Browser, showcase: Showcase) -> None:
    context = showcase.context(browser, "nobody")
    page = context.new_page()
    page.goto("/accounts/login/")
    page.evaluate("document.querySelectorAll('label').forEach((label) => label.remove())")
    assert any("label" in problem for problem in complaints(page))
    context.close()
