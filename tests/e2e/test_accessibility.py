"""What assistive programs find: axe-core over every page, in both themes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.pages import Showcase, unclassified

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(600)]

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
RUN = """async (onlyColours) => {
  const runOnly = onlyColours
    ? { type: "rule", values: ["color-contrast", "link-in-text-block"] }
    : { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
  const found = await axe.run(document, { resultTypes: ["violations"], runOnly });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(" ")}: ${node.html.slice(0, 160)}`));
}"""  # noqa: E501


def complaints(page: Page, *, only_colours: bool = False) -> list[Any]:
    """What axe calls serious or critical. The themes differ in colours only."""
    # As the test's own code, not as the page's: the content policy stays as it is.
    page.evaluate(AXE)
    found: list[Any] = page.evaluate(RUN, only_colours)
    return found


def test_every_address_is_either_looked_at_or_has_a_reason(showcase: Showcase) -> None:
    assert unclassified(showcase.known["ids"]) == []
    assert len(showcase.pages()) > 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_on_any_page(browser: Browser, showcase: Showcase, scheme: Any) -> None:
    problems: dict[str, list[Any]] = {}
    contexts = {
        who: showcase.context(
            browser, who, color_scheme=scheme, viewport={"width": 1280, "height": 900}
        )
        for who in ("alice", "zoe", "nobody")
    }
    pages = {who: context.new_page() for who, context in contexts.items()}
    for address in showcase.pages():
        page = pages[address.who]
        page.goto(address.path)
        problems[str(address)] = complaints(page, only_colours=scheme == "dark")
    for context in contexts.values():
        context.close()
    assert {address: found for address, found in problems.items() if found} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_in_what_opens(browser: Browser, showcase: Showcase, scheme: Any) -> None:
    context = showcase.context(
        browser, "alice", color_scheme=scheme, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    found = {}
    page.goto(f"/streams/{showcase.known['streams']['on_air']}/")
    page.get_by_role("link", name="Stop").click()
    found["stop"] = complaints(page)
    page.keyboard.press("Escape")
    page.locator("#stream-actions summary").click()
    found["menu"] = complaints(page)
    page.goto("/library/")
    page.locator(".pick").first.check()
    page.locator(".bulk").get_by_role("button", name="Add to a playlist").click()
    page.get_by_role("dialog").wait_for()
    found["pick a playlist"] = complaints(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="New folder").click()
    page.get_by_role("dialog").wait_for()
    found["new folder"] = complaints(page)
    page.goto(f"/playlists/{showcase.known['playlist']}/")
    page.locator("[id^=down-]").first.click()
    page.locator("#items-undo").wait_for()
    found["undo"] = complaints(page)
    page.locator("#undo").click()
    page.goto("/playlists/")
    page.get_by_role("link", name="New playlist").click()
    found["new playlist"] = complaints(page)
    page.goto("/settings/tokens/")
    page.locator("[name=name]").fill("Nightly backup")
    page.get_by_role("button", name="Make token").click()
    page.locator("#made-token").wait_for()
    found["a new token"] = complaints(page)
    context.close()
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_the_judge_sees_what_is_wrong(browser: Browser, showcase: Showcase) -> None:
    context = showcase.context(browser, "nobody")
    page = context.new_page()
    page.goto("/accounts/login/")
    page.evaluate("document.querySelectorAll('label').forEach((label) => label.remove())")
    assert any("label" in problem for problem in complaints(page))
    context.close()
