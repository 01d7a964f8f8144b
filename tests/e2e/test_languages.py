"""Every page in a made-up language: nothing is left untranslated, and longer texts still fit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e import pseudo
from tests.e2e.pages import ROOT, Showcase, serve

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(600)]

# Words in plain Latin letters that a reader can see or hear. Names, units, addresses and what a
# node reported in English (and says so by `lang`) are no texts of ours.
UNTRANSLATED = r"""() => {
  const own = /YouTube(?: Studio)?|Streamer|\bRTMPS?\b|rtmps?:\/\/\S*|https?:\/\/\S*|\S+@\S+|[kM]bit\/s|\b[kKMGT]?B\b|\bfps\b|\d+p\d*\S*|\bH\.264\b|\bAAC\b|\bAV1\b|\bID\b|\bApache 2\.0\b|\bGoogle\b|[a-z]+(?:[.-][a-z0-9-]+)+|\.(?:mp4|flac)\b/g;
  const words = (text) => text.replace(own, " ").match(/[A-Za-z]{2,}/g);
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


@pytest.fixture(scope="module")
def translated() -> Iterator[Showcase]:
    with serve("--locale") as running:
        yield running


def test_no_text_is_left_out_and_none_is_too_long(browser: Browser, translated: Showcase) -> None:
    problems: dict[str, Any] = {}
    pages = {
        who: translated.context(browser, who, viewport={"width": 390, "height": 844}).new_page()
        for who in ("alice", "zoe", "nobody")
    }
    for address in translated.pages():
        page = pages[address.who]
        page.goto(address.path)
        problems[str(address)] = page.evaluate(UNTRANSLATED) + page.evaluate(TOO_WIDE)
    for page in pages.values():
        page.context.close()
    assert {address: found for address, found in problems.items() if found} == {}


def test_the_judge_finds_what_is_not_translated(browser: Browser, translated: Showcase) -> None:
    page = translated.context(browser, "alice", viewport={"width": 390, "height": 844}).new_page()
    page.goto("/streams/")
    page.evaluate("document.querySelector('h1').textContent = 'Streams, as ever'")
    assert page.evaluate(UNTRANSLATED) == ["Streams, as ever"]
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
