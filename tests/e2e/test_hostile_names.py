"""Names that try to run, to turn lines round, or to burst the page: on every page, on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.pages import Showcase, serve

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(600)]

ADMIN = ("accounts/workspace/", "accounts/user/", "library/asset/", "streaming/stream/")

FELT = """() => ({
  broken: Boolean(window.broken),
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  made: document.querySelectorAll("img[src='x'], svg[onload], [onmouseover], [onfocus], [onerror]")
    .length,
  refused: window.refused ?? 0,
})"""

WATCH = """window.refused = 0;
document.addEventListener("securitypolicyviolation", () => { window.refused += 1; });"""


@pytest.fixture(scope="module")
def besieged() -> Iterator[Showcase]:
    """The showcase, where everything has a hostile name."""
    with serve("--hostile") as running:
        yield running


def test_hostile_names_are_only_text_and_fit_a_phone(browser: Browser, besieged: Showcase) -> None:
    faults: list[str] = []
    pages = {}
    for who in ("alice", "zoe", "nobody"):
        context = besieged.context(browser, who, viewport={"width": 390, "height": 844})
        context.add_init_script(WATCH)
        pages[who] = context.new_page()
        pages[who].on("dialog", lambda dialog: (faults.append("a dialog"), dialog.dismiss()))
    for address in besieged.pages():
        page = pages[address.who]
        page.goto(address.path)
        page.wait_for_load_state("load")
        felt = page.evaluate(FELT)
        if felt["broken"] or felt["made"] or felt["refused"]:
            faults.append(f"{address}: {felt}")
        if felt["wide"] > 0:
            faults.append(f"{address}: {felt['wide']} px too wide")
    for context in {page.context for page in pages.values()}:
        context.close()
    assert faults == []


def test_hostile_names_are_only_text_to_staff(browser: Browser, besieged: Showcase) -> None:
    faults: list[str] = []
    context = besieged.context(browser, "alice", viewport={"width": 1280, "height": 900})
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("dialog", lambda dialog: (faults.append("a dialog"), dialog.dismiss()))
    for path in ADMIN:
        answer = page.goto(f"/admin/{path}")
        assert answer is not None
        assert answer.status == 200, path
        page.wait_for_load_state("load")
        felt = page.evaluate(FELT)
        if felt["broken"] or felt["made"]:
            faults.append(f"/admin/{path}: {felt}")
    context.close()
    assert faults == []
