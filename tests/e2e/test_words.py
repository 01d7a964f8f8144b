"""Every page on a phone, in a made-up language and with hostile names, visited once.

Nothing is left untranslated and longer texts still fit; names that try to run, to turn lines round
or to burst the page are only text.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e import pseudo
from tests.e2e.pages import ROOT, Showcase, serve

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(600)]

# Words in plain Latin letters that a reader can see or hear. Names, units, addresses and what a
# node reported in English (and says so by `lang`) are no texts of ours.
UNTRANSLATED = r"""(names) => {
  const own = /YouTube(?: Studio)?|Streamer|\bRTMPS?\b|rtmps?:\/\/\S*|https?:\/\/\S*|\S+@\S+|[kM]bit\/s|\b[kKMGT]?B\b|\bfps\b|\d+p\d*\S*|\bH\.264\b|\bAAC\b|\bAV1\b|\bID\b|\bApache 2\.0\b|\bGoogle\b|\b(?:Firefox|Safari|Linux|iPhone)\b|[a-z]+(?:[.-][a-z0-9-]+)+|\.(?:mp4|flac)\b/g;
  const nameless = (text) => names.reduce((rest, name) => rest.replaceAll(name, " "), text);
  const words = (text) => nameless(text).replace(own, " ").match(/[A-Za-z]{2,}/g);
  const found = new Set();
  const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (parent.closest("script, style, template, noscript, code, .timecode, time, .event-day, [lang=en], [data-own-words]")) continue;
    if (words(node.textContent)) found.add(node.textContent.trim().replace(/\s+/g, " ").slice(0, 90));
  }
  for (const element of document.querySelectorAll("[aria-label], [placeholder], [title], [alt]")) {
    for (const name of ["aria-label", "placeholder", "title", "alt"]) {
      const text = element.getAttribute(name);
      if (text && element.localName !== "time" && words(text)) found.add(`${name}: ${text.slice(0, 90)}`);
    }
  }
  return [...found];
}"""  # noqa: E501

TOO_WIDE = """() => {
  const width = document.documentElement.scrollWidth;
  if (width <= innerWidth) return [];
  const wide = [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.right > innerWidth + 1 && getComputedStyle(element).position !== "fixed";
  });
  return [`${width} px`, ...wide.slice(0, 4).map((one) => `${one.localName}.${one.className}`)];
}"""


FELT = """() => ({
  broken: Boolean(window.broken),
  made: document.querySelectorAll("img[src='x'], svg[onload], [onmouseover], [onfocus], [onerror]")
    .length,
  refused: window.refused ?? 0,
})"""

WATCH = """window.refused = 0;
document.addEventListener("securitypolicyviolation", () => { window.refused += 1; });"""

ADMIN = ("accounts/workspace/", "accounts/user/", "library/asset/", "streaming/stream/")


@pytest.fixture(scope="module")
def besieged(fresh: Path) -> Iterator[Showcase]:
    """The showcase in the made-up language, where everything has a hostile name."""
    with serve("--locale", "--hostile", fresh=fresh) as running:
        yield running


def untranslated(page: Page, showcase: Showcase) -> list[Any]:
    """Words in plain Latin letters that are nobody's name."""
    found: list[Any] = page.evaluate(UNTRANSLATED, showcase.known["names"])
    return found


def watched(browser: Browser, showcase: Showcase, who: str, faults: list[str]) -> Page:
    """A page on a phone; a dialog that opens is a fault."""
    context = showcase.context(browser, who, viewport={"width": 390, "height": 844})
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("dialog", lambda dialog: (faults.append("a dialog"), dialog.dismiss()))
    return page


@pytest.fixture(scope="module")
def found(browser: Browser, besieged: Showcase) -> dict[str, dict[str, Any]]:
    """For each check, what each page said to it."""
    checks: dict[str, dict[str, Any]] = defaultdict(dict)
    dialogs: list[str] = []
    pages = {who: watched(browser, besieged, who, dialogs) for who in ("alice", "zoe", "nobody")}
    for address in besieged.pages():
        page = pages[address.who]
        page.goto(address.path)
        page.wait_for_load_state("load")
        felt = page.evaluate(FELT)
        checks["names"][str(address)] = [felt] if any(felt.values()) else []
        checks["names"][str(address)] += dialogs
        dialogs.clear()
        checks["texts"][str(address)] = untranslated(page, besieged)
        checks["width"][str(address)] = page.evaluate(TOO_WIDE)
    for page in pages.values():
        page.context.close()
    return checks


def bad(found: dict[str, Any]) -> dict[str, Any]:
    """Only what is not as it should be."""
    return {address: what for address, what in found.items() if what}


@pytest.mark.slow
def test_no_text_is_left_untranslated(found: dict[str, dict[str, Any]]) -> None:
    assert len(found["texts"]) > 40
    assert bad(found["texts"]) == {}


@pytest.mark.slow
def test_longer_texts_and_hostile_names_fit_a_phone(found: dict[str, dict[str, Any]]) -> None:
    assert bad(found["width"]) == {}


@pytest.mark.slow
def test_hostile_names_are_only_text(found: dict[str, dict[str, Any]]) -> None:
    assert bad(found["names"]) == {}


@pytest.mark.slow
def test_hostile_names_are_only_text_to_staff(browser: Browser, besieged: Showcase) -> None:
    faults: list[str] = []
    page = watched(browser, besieged, "alice", faults)
    page.set_viewport_size({"width": 1280, "height": 900})
    for path in ADMIN:
        answer = page.goto(f"/admin/{path}")
        assert answer is not None
        assert answer.status == 200, path
        page.wait_for_load_state("load")
        felt = page.evaluate(FELT)
        if felt["broken"] or felt["made"]:
            faults.append(f"/admin/{path}: {felt}")
    page.context.close()
    assert faults == []


@pytest.mark.slow
def test_the_judge_finds_what_is_not_translated(browser: Browser, besieged: Showcase) -> None:
    page = besieged.context(browser, "alice", viewport={"width": 390, "height": 844}).new_page()
    page.goto("/streams/")
    page.evaluate("document.querySelector('h1').textContent = 'Streams, as ever'")
    assert untranslated(page, besieged) == ["Streams, as ever"]
    page.evaluate("document.querySelector('h1').style.minWidth = '900px'")
    assert page.evaluate(TOO_WIDE)
    page.context.close()


def test_placeholders_and_markup_survive_the_made_up_language() -> None:
    text = "The file %(name)s has <b>%(count)s</b> items &amp; {n} more.\n"
    said = pseudo.pseudo(text)
    for kept in ("%(name)s", "<b>", "</b>", "%(count)s", "&amp;", "{n}"):
        assert kept in said
    assert said.endswith("\n")
    assert len(said) > 1.15 * len(text)
    assert "file" not in said


def test_the_committed_catalogue_holds_every_text(tmp_path: Path) -> None:
    if not shutil.which("xgettext"):
        pytest.skip("gettext is not installed")
    copy = tmp_path / "tree"
    copy.mkdir()
    for name in ("apps", "config", "templates", "locale", "scripts"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", copy)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    done = subprocess.run(
        [copy / "scripts" / "messages"], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    path = Path("locale/en/LC_MESSAGES/django.po")
    found, committed = (set(pseudo.messages(base / path)) for base in (copy, ROOT))
    assert found == committed, "Run scripts/messages and commit what it writes."
