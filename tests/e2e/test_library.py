"""Uploading and reading the pages, as a person with a browser does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.conftest import Installation

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(420)]

PASSWORD = "correct horse battery staple"


def sign_up(page: Page, email: str) -> None:
    page.goto("/accounts/signup/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password1]", PASSWORD)
    page.fill("input[name=password2]", PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/dashboard/**")


@pytest.fixture
def slowly(page: Page) -> Iterator[Page]:
    """The page behind a line of 12 MB/s upwards, so that there is time to break off."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 12 << 20},
    )
    yield page
    session.detach()


def test_an_upload_goes_on_after_the_page_was_left(slowly: Page, tmp_path: Path) -> None:
    page = slowly
    film = tmp_path / "not really a film.mp4"
    film.write_bytes(os.urandom(48 << 20))
    sign_up(page, "resume@example.org")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/library/")
    page.set_input_files("#upload-files", film)
    expect(page.locator("[data-amount]")).to_have_text(re.compile(r"^(1[6-9]|[2-4]\d)\.?\d* MB /"))
    page.reload()
    expect(page.locator(".asset-row")).to_contain_text("Uploading")
    offsets: list[int] = []
    page.on(
        "request",
        lambda request: (
            request.method == "PATCH" and offsets.append(int(request.headers["upload-offset"]))
        ),
    )
    page.set_input_files("#upload-files", film)
    row = page.locator(".asset-row")
    expect(row).to_contain_text("Cannot be used", timeout=60_000)
    expect(row).to_contain_text("not a kind of media")
    expect(row).to_have_count(1)
    assert min(offsets) >= 8 << 20


def test_files_chosen_before_the_script_has_come_are_uploaded_too(
    page: Page, tmp_path: Path
) -> None:
    note = tmp_path / "early.txt"
    note.write_text("not media")
    sign_up(page, "early@example.org")
    held: list[Route] = []
    page.route("**/upload*.js", lambda route: held.append(route))
    page.goto("/library/", wait_until="commit")
    page.set_input_files("#upload-files", note)
    assert held
    held[0].continue_()
    expect(page.locator(".asset-row")).to_contain_text("Cannot be used", timeout=60_000)


def test_a_cancelled_upload_leaves_nothing(
    slowly: Page, installation: Installation, tmp_path: Path
) -> None:
    page = slowly
    film = tmp_path / "film.mp4"
    film.write_bytes(os.urandom(48 << 20))
    sign_up(page, "cancel@example.org")
    page.goto("/library/")
    page.set_input_files("#upload-files", film)
    expect(page.locator("[data-amount]")).to_have_text(re.compile(r"^(\d\d)\.?\d* MB /"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("[data-upload-list]")).to_contain_text("Cancelled")
    expect(page.locator(".asset-row")).to_have_count(0)
    assert list((installation.data_dir / "uploads").iterdir()) == []


def test_a_deleted_file_comes_back(page: Page, tmp_path: Path) -> None:
    note = tmp_path / "notes.mp4"
    note.write_text("text")
    sign_up(page, "delete@example.org")
    page.goto("/library/")
    page.set_input_files("#upload-files", note)
    expect(page.locator(".asset-row")).to_contain_text("The file is text.", timeout=40_000)
    page.locator(".asset-row summary").click()
    page.locator(".asset-row").get_by_text("Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("notes")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator(".asset-row")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".asset-row")).to_have_count(1)


def test_the_form_uploads_without_scripts(
    browser: Browser, installation: Installation, tmp_path: Path
) -> None:
    note = tmp_path / "notes.mp4"
    note.write_text("text")
    context = browser.new_context(base_url=installation.address, java_script_enabled=False)
    page = context.new_page()
    sign_up(page, "noscript@example.org")
    page.goto("/library/")
    page.set_input_files("#upload-files", note)
    page.get_by_role("button", name="Upload the chosen files").click()
    expect(page.locator("#notices")).to_contain_text("notes.mp4 was uploaded.")
    context.close()


def test_the_keyboard_reaches_the_content_first(page: Page) -> None:
    sign_up(page, "keys@example.org")
    page.goto("/library/")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_text("Skip to the content")
    expect(focused).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
