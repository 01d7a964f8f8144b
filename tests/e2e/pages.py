"""Every page of the product, found in its own list of addresses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
CLOCK = "2026-03-14T21:42:10Z"

NO_PAGES = (
    "admin/", "api/", "health/", "metrics", "i18n/", "static/", "media/", "webhooks/",
)  # fmt: skip
"""Addresses that answer programs, or that are not made by us."""

NOT_WITHOUT_MORE = {
    "uidb36": "needs a link from a mail",
    "key": "needs a link from a mail",
    "token": "needs a link from a mail",
    "code": "needs a link from a mail",
    "pk": "a passkey that the showcase has not got",
    "secret": "needs a link from a mail",
    "upload_id": "an upload under way, for programs",
    "invitation_id": "only takes POST",
    "token_id": "only takes POST",
    "session_id": "only takes POST",
    "model": "the admin's",
}
"""Arguments of addresses that the showcase cannot fill, and why."""


EMPTY_TOO = (
    "/channels/", "/channels/quota/", "/channels/client/", "/playlists/youtube/", "/settings/",
    "/settings/team/", "/settings/tokens/", "/settings/profile/", "/settings/security/",
    "/accounts/sessions/", "/accounts/email/", "/accounts/password/change/",
    "/accounts/2fa/totp/activate/", "/accounts/2fa/recovery-codes/generate/",
    "/accounts/2fa/webauthn/add/",
)  # fmt: skip
"""Pages to look at without channels, team, tokens or second factor as well."""


@dataclass(frozen=True)
class Address:
    """A page, and who looks at it."""

    path: str
    who: str
    """alice, zoe (who has only just signed up) or nobody."""

    def __str__(self) -> str:
        return f"{self.path} ({self.who})"


@dataclass
class Showcase:
    """The running product with its rows, and the pages it has."""

    base: str
    known: dict[str, Any]
    data_dir: Path
    _pages: list[Address] = field(default_factory=list)

    def context(self, browser: Browser, who: str, **more: Any) -> BrowserContext:
        """A browser in which `who` is signed in, at the moment that does not pass."""
        context = browser.new_context(base_url=self.base, locale="en-GB", timezone_id="UTC", **more)
        if who != "nobody":
            key = self.known["session" if who == "alice" else "empty_session"]
            context.add_cookies([{"name": "sessionid", "value": key, "url": self.base}])
        context.clock.set_fixed_time(CLOCK)
        context.set_default_timeout(15_000)
        return context

    def pages(self, *, everything: bool = False) -> list[Address]:
        """All addresses that answer a GET with a whole page; they are found once.

        With `everything`, the pages that look different to somebody new as well.
        """
        if not self._pages:
            self._find()
        return self._pages + [Address(path, "zoe") for path in EMPTY_TOO if everything]

    def _find(self) -> None:
        found = self._pages
        for path in sorted(set(addresses(self.known["ids"]))):
            if self._is_page(path, "alice"):
                found.append(Address(path, "alice"))
            # What asks strangers to sign in is Alice's; the rest looks different to nobody.
            if self._is_page(path, "nobody"):
                found.append(Address(path, "nobody"))
        for name, pk in self.known["streams"].items():
            if name != "on_air":
                found.append(Address(f"/streams/{pk}/", "alice"))
        for path in ("/dashboard/", "/library/", "/playlists/", "/streams/", "/streams/new/"):
            found.append(Address(path, "zoe"))
        found += [Address("/nowhere/", "nobody"), Address("/library/?q=nothing", "alice")]

    def _is_page(self, path: str, who: str) -> bool:
        headers = {}
        if who == "alice":
            headers["Cookie"] = f"sessionid={self.known['session']}"
        request = urllib.request.Request(f"{self.base}{path}", headers=headers)
        try:
            with _opener.open(request, timeout=20) as answer:
                kind = answer.headers.get("Content-Type", "")
                return "text/html" in kind and b"<html" in answer.read()
        except urllib.error.HTTPError:
            return False


# Fragments that are still to come, first of all: they may be live as well.
_ASK = """async () => {
  for (let n = 0; n < 500 && document.querySelector("[hx-trigger=load]"); n += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return await new Promise((resolve, reject) => {
    const parts = [...document.querySelectorAll("[data-poll]")]
      .filter((one) => one.getAttribute("hx-trigger").includes("refresh"));
    const waiting = parts.map((one) => one.getAttribute("hx-get"));
    const seen = () => requestAnimationFrame(() => requestAnimationFrame(() => resolve(parts.length)));
    if (!parts.length) return seen();
    setTimeout(() => reject(new Error(`no answer for ${waiting}`)), 10000);
    document.addEventListener("htmx:afterRequest", (event) => {
      const at = waiting.indexOf(event.detail.requestConfig.path);
      if (at >= 0) waiting.splice(at, 1);
      if (!waiting.length) seen();
    });
    for (const part of parts) htmx.trigger(part, "refresh");
  });
}"""  # noqa: E501


def ask_live_parts(page: Page) -> int:
    """Let all live parts ask at once, and wait until what they were told is shown; their number."""
    count: int = page.evaluate(_ASK)
    return count


def stop_motion(page: Page) -> None:
    """Colours are from now on what they end up as, not what they are on their way there."""
    # By the object model: the content policy allows no inline style.
    page.evaluate("""() => {
      const still = new CSSStyleSheet();
      still.replaceSync("*, ::before, ::after { transition: none !important; animation: none !important; }");
      document.adoptedStyleSheets = [still];
    }""")  # noqa: E501


class _Stay(urllib.request.HTTPRedirectHandler):
    """Leads nowhere: where an address leads to has an address of its own."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


_opener = urllib.request.build_opener(_Stay)


def addresses(ids: dict[str, str]) -> Iterator[str]:
    """Every address in the list of the product, arguments filled in with what there is to see."""
    for path, unfilled in _filled(ids):
        if not unfilled:
            yield path


def unclassified(ids: dict[str, str]) -> list[str]:
    """Addresses with an argument that nobody has thought about."""
    return [
        path
        for path, unfilled in _filled(ids)
        if any(name not in NOT_WITHOUT_MORE for name in unfilled)
    ]


def _filled(ids: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    from django.urls import get_resolver

    for route in _routes(get_resolver().url_patterns, ""):
        if route.startswith(NO_PAGES):
            continue
        names = re.findall(r"<(?:\w+:)?(\w+)>", route)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: ids.get(match[1], f"<{match[1]}>"), route)
        yield f"/{path}", [name for name in names if name not in ids]


def _routes(patterns: Any, before: str) -> Iterator[str]:
    for pattern in patterns:
        own = str(pattern.pattern)
        # An expression: its groups are arguments, the rest stands for itself.
        own = re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", own.removeprefix("^").removesuffix("$"))
        own = own.replace("\\", "")
        if hasattr(pattern, "url_patterns"):
            yield from _routes(pattern.url_patterns, before + own)
        else:
            yield before + own


@contextmanager
def serve(*options: str, fresh: Path | None = None) -> Iterator[Showcase]:
    """The showcase in a directory and on a port of its own.

    `fresh` has an empty database and collected static files, which are then not made again.
    """
    with tempfile.TemporaryDirectory(prefix="streamer-pages-") as directory:
        data_dir = Path(directory)
        if fresh is not None:
            shutil.copytree(fresh, data_dir, dirs_exist_ok=True)
        port = free_port()
        log = data_dir / "showcase.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.showcase", directory, str(port), *options],
                cwd=ROOT, stdout=output, stderr=output, env=dict(os.environ),
            )  # fmt: skip
        try:
            base = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 120
            while not _answers(base):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            known = json.loads((data_dir / "showcase.json").read_text())
            yield Showcase(base, known, data_dir)
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/health/live", timeout=2):
            return True
    except OSError:
        return False
