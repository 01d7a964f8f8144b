"""What a first visit costs: bytes over the line, and whether the page jumps while it comes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e.pages import Showcase

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(600)]

MOST_BYTES = 150_000
MOST_SHIFT = 0.05
# Pictures of people's films are theirs, and live video has no end.
COUNTED = {"Document", "Stylesheet", "Script", "Fetch", "XHR"}

SHIFT = """() => new Promise((resolve) => {
  let sum = 0;
  const see = (list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) sum += one.value; };
  const observer = new PerformanceObserver(see);
  observer.observe({ type: "layout-shift", buffered: true });
  setTimeout(() => { see({ getEntries: () => observer.takeRecords() }); resolve(sum); }, 50);
})"""  # noqa: E501


def test_no_first_load_is_heavier_than_150_kb(browser: Browser, showcase: Showcase) -> None:
    heavy: dict[str, Any] = {}
    for address in showcase.pages():
        # A context of its own: nothing is cached.
        context = showcase.context(browser, address.who)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        kinds: dict[str, str] = {}
        sizes: dict[str, float] = {}
        session.on(
            "Network.responseReceived", lambda e, k=kinds: k.update({e["requestId"]: e["type"]})
        )
        session.on(
            "Network.loadingFinished",
            lambda e, s=sizes: s.update({e["requestId"]: e["encodedDataLength"]}),
        )
        page.goto(address.path)
        page.wait_for_load_state("load")
        total = sum(size for key, size in sizes.items() if kinds.get(key) in COUNTED)
        assert total > 10_000, f"{address}: nothing was counted"
        if total > MOST_BYTES:
            heavy[str(address)] = total
        context.close()
    assert heavy == {}


@pytest.mark.parametrize("width", [390, pytest.param(1440, marks=pytest.mark.slow)])
def test_no_page_jumps_while_it_loads_and_lives(
    browser: Browser, showcase: Showcase, width: int
) -> None:
    shifts: dict[str, float] = {}
    pages = {
        who: showcase.context(browser, who, viewport={"width": width, "height": 900}).new_page()
        for who in ("alice", "zoe", "nobody")
    }
    live = ("/dashboard/", "/streams/", "/library/")
    for address in showcase.pages():
        page = pages[address.who]
        page.goto(address.path)
        if address.who == "alice" and address.path.startswith(live):
            # The first fragments replace what the page came with.
            page.wait_for_timeout(2300)
        shifts[str(address)] = page.evaluate(SHIFT)
    for page in pages.values():
        page.context.close()
    assert {address: shift for address, shift in shifts.items() if shift > MOST_SHIFT} == {}


def test_static_files_carry_a_hash_and_are_kept_for_a_year(
    browser: Browser, showcase: Showcase
) -> None:
    context = showcase.context(browser, "nobody")
    page = context.new_page()
    page.goto("/")
    addresses = page.evaluate(
        "[...document.querySelectorAll('link[rel=stylesheet], script[src]')]"
        ".map((one) => one.href || one.src)"
    )
    assert len(addresses) >= 3
    for address in addresses:
        answer = context.request.get(address, headers={"Accept-Encoding": "gzip"})
        assert "max-age=315360000" in answer.headers["cache-control"] or (
            "max-age=31536000" in answer.headers["cache-control"]
        )
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] in ("gzip", "br")
    context.close()
