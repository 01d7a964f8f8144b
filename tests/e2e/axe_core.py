"""What assistive programs find: axe-core in a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

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
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    found: list[Any] = page.evaluate(RUN, only_colours)
    return found
