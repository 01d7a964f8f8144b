"""Every page, visited once: its weight, its jumps, its colours and widths, and what axe finds."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Page

from tests.e2e.axe_core import complaints
from tests.e2e.pages import Address, Showcase, ask_live_parts, stop_motion, unclassified

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(600)]

MOST_BYTES = 150_000
MOST_SHIFT = 0.05
# Pictures of people's films are theirs, and live video has no end.
COUNTED = {"Document", "Stylesheet", "Script", "Fetch", "XHR"}
WIDTHS = (390, 1440)
MORE_WIDTHS = (768, 1920)
"""Visited as well when a test of them is chosen: by `make test-full`."""
AXE_WIDTH = 1440
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

# Text whose contrast with what lies behind it is below WCAG AA, and whether the page is too wide.
JUDGE = Path(__file__).with_name("judge_page.js").read_text()

# Runs before the page's own scripts: what moved without a hand, and what the policy refused.
WATCH = """window.shifted = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({ type: "layout-shift", buffered: true });
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.refused.push(`${event.violatedDirective}: ${event.blockedURI}`);
});"""


class Visitor:
    """Somebody's browser, which keeps nothing from one page to the next."""

    def __init__(self, browser: Browser, showcase: Showcase, who: str, is_long: bool) -> None:
        self.widths = WIDTHS + MORE_WIDTHS if is_long else WIDTHS
        # Contrast in the dark is judged at each width anyway; axe looks a second time.
        self.axe_schemes = SCHEMES if is_long else SCHEMES[:1]
        self.host = urlsplit(showcase.base).netloc
        context = showcase.context(browser, who, viewport={"width": WIDTHS[0], "height": 900})
        context.add_init_script(WATCH)
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", lambda one: self.hosts.add(urlsplit(one.url).netloc))
        session: CDPSession = context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        session.on(
            "Network.responseReceived",
            lambda event: self.kinds.update({event["requestId"]: event["type"]}),
        )
        session.on(
            "Network.loadingFinished",
            lambda event: self.sizes.update({event["requestId"]: event["encodedDataLength"]}),
        )
        self._forget()

    def _forget(self) -> None:
        self.kinds: dict[str, str] = {}
        self.sizes: dict[str, float] = {}
        self.said: list[str] = []
        self.hosts: set[str] = set()

    def _note(self, message: ConsoleMessage) -> None:
        # A page that says "not found" is an answer, which Chromium reports as if it were a fault.
        # So is "nothing is received" to whoever watches a receiver that is not there.
        url = message.location["url"]
        is_answer = url == self.page.url and "status of 4" in message.text
        is_nothing = url.endswith("/watch.flv") and "status of 503" in message.text
        if message.type == "error" and not is_answer and not is_nothing:
            self.said.append(message.text)

    def visit(self, address: Address) -> dict[str, Any]:
        """What was found, by the name of the check; nothing is left out, whatever it is."""
        page = self.page
        self._forget()
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.emulate_media(color_scheme="light")
        page.goto(address.path)
        page.wait_for_load_state("load")
        found: dict[str, Any] = {
            "bytes": sum(size for key, size in self.sizes.items() if self.kinds.get(key) in COUNTED)
        }
        # The first fragments replace what the page came with.
        found["live parts"] = ask_live_parts(page)
        found["shift"] = page.evaluate("window.shifted")
        stop_motion(page)
        for n, width in enumerate(self.widths):
            page.set_viewport_size({"width": width, "height": 900})
            # Each width begins with the scheme that the one before ended with.
            for scheme in SCHEMES[:: -1 if n % 2 else 1]:
                page.emulate_media(color_scheme=scheme)
                found[f"{width} {scheme}"] = page.evaluate(JUDGE)
                if width == AXE_WIDTH and scheme in self.axe_schemes:
                    found[f"axe {scheme}"] = complaints(page, only_colours=scheme == "dark")
        found["said"] = self.said + page.evaluate("window.refused")
        found["foreign"] = sorted(self.hosts - {self.host, ""})
        return found


@pytest.fixture(scope="module")
def found(
    request: pytest.FixtureRequest, browser: Browser, showcase: Showcase
) -> dict[str, dict[str, Any]]:
    """For each check, what each page said to it."""
    is_long = any(
        item.path == request.path and item.get_closest_marker("slow")
        for item in request.session.items
    )
    people = ("alice", "zoe", "nobody")
    visitors = {who: Visitor(browser, showcase, who, is_long) for who in people}
    checks: dict[str, dict[str, Any]] = defaultdict(dict)
    for address in showcase.pages(everything=is_long):
        for check, what in visitors[address.who].visit(address).items():
            checks[check][str(address)] = what
    for visitor in visitors.values():
        visitor.page.context.close()
    return checks


def bad(found: dict[str, Any]) -> dict[str, Any]:
    """Only what is not as it should be."""
    return {address: what for address, what in found.items() if what}


def test_every_address_is_either_looked_at_or_has_a_reason(showcase: Showcase) -> None:
    assert unclassified(showcase.known["ids"]) == []
    assert len(showcase.pages()) > 40


def test_no_first_load_is_heavier_than_150_kb(found: dict[str, dict[str, Any]]) -> None:
    assert min(found["bytes"].values()) > 10_000, "nothing was counted"
    assert {page: size for page, size in found["bytes"].items() if size > MOST_BYTES} == {}


def test_no_page_jumps_while_it_loads_and_lives(found: dict[str, dict[str, Any]]) -> None:
    assert sum(found["live parts"].values()) > 10, "nothing came to life"
    assert {page: shift for page, shift in found["shift"].items() if shift > MOST_SHIFT} == {}


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_nothing_serious_on_any_page(found: dict[str, dict[str, Any]], scheme: str) -> None:
    assert bad(found[f"axe {scheme}"]) == {}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "width", [*WIDTHS, *(pytest.param(more, marks=pytest.mark.slow) for more in MORE_WIDTHS)]
)
def test_pages_can_be_read_at_every_width(
    found: dict[str, dict[str, Any]], width: int, scheme: str
) -> None:
    assert bad(found[f"{width} {scheme}"]) == {}


def test_no_page_complains_or_asks_a_foreign_host(found: dict[str, dict[str, Any]]) -> None:
    assert bad(found["said"]) == {}
    assert bad(found["foreign"]) == {}
