"""What a second visit costs: nothing, for files that carry a hash of what is in them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.e2e.pages import Showcase

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(600)]


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
