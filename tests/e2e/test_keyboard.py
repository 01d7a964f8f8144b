"""The whole way by keyboard alone: no mouse, no address typed after the first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Installation

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(420)]

EMAIL = "keyboard@example.org"
PASSWORD = "correct horse battery staple"
MOST_TABS = 160

# Whether the focus is where it is wanted; complains about a focus that cannot be seen.
HERE = """([selector, text]) => {
  const one = document.activeElement;
  if (one === document.body || !one.matches(selector)) return "";
  const said = (one.getAttribute("aria-label") || one.innerText || "").replace(/\\s+/g, " ").trim();
  if (text && !new RegExp(text, "i").test(said)) return "";
  const box = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  const within = one.closest(".drop, .search, .board-card");
  const ring = [style, within && getComputedStyle(within)].some(
    (each) => each && each.outlineStyle !== "none" && parseFloat(each.outlineWidth) > 0);
  if (!one.matches(":focus-visible")) return "not :focus-visible";
  if (!ring) return "no ring around the focus";
  if (!within && (box.bottom < 0 || box.top > innerHeight)) return "outside of the window";
  return "yes";
}"""


def reach(page: Page, selector: str, text: str = "") -> None:
    """Press Tab until the focus is on what `selector` and `text` name."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        found = page.evaluate(HERE, [selector, text])
        if found:
            assert found == "yes", f"{selector} {text}: {found}"
            return
    pytest.fail(f"{selector} {text!r} cannot be reached with Tab on {page.url}")


def press(page: Page, selector: str, text: str = "") -> None:
    """Go there and press Enter."""
    reach(page, selector, text)
    page.keyboard.press("Enter")


def send(page: Page, selector: str, text: str = "") -> None:
    """The same, where what is pressed leads to a page, be it this one anew."""
    reach(page, selector, text)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def write(page: Page, name: str, text: str) -> None:
    """Go to the field and type."""
    reach(page, f"[name={name}]")
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def choose(page: Page, name: str, label: str) -> None:
    """Go to the select and walk down to the option."""
    reach(page, f"select[name={name}]")
    field = page.locator(f"select[name={name}]")
    for _ in range(30):
        if label in field.evaluate("one => one.selectedOptions[0].label"):
            return
        page.keyboard.press("ArrowDown")
    pytest.fail(f"{label!r} is not among the choices of {name}")


def order(page: Page) -> list[str]:
    """The items of the playlist as they stand."""
    items: list[str] = page.locator("[data-item]").evaluate_all(
        "rows => rows.map((row) => row.dataset.item)"
    )
    return items


def sign_up(page: Page, email: str) -> None:
    page.goto("/")
    press(page, "main a", "^create an account")
    page.wait_for_url("**/signup/**")
    write(page, "email", email)
    write(page, "password1", PASSWORD)
    write(page, "password2", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard/**")


def sign_up_and_in_again(page: Page) -> None:
    sign_up(page, EMAIL)
    press(page, "summary", "^your menu")
    press(page, "button", "^sign out")
    page.wait_for_url(re.compile(r"^http://[^/]+/$|/accounts/login/"))
    press(page, "a", "^sign in")
    page.wait_for_url("**/login/**")
    write(page, "login", EMAIL)
    write(page, "password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard/**")


def upload(page: Page, clip: Path) -> None:
    press(page, "nav a", "^library")
    page.wait_for_url("**/library/**")
    page.wait_for_load_state("load")
    expect(page.locator("form.has-script")).to_have_count(1)
    with page.expect_file_chooser() as chooser:
        # The page learns that its chooser is answered here on another way than that a key was
        # pressed, and what `reach` asks it comes after the first.
        reach(page, "input[type=file]")
        page.keyboard.press("Space")
    chooser.value.set_files(clip)
    row = page.locator(".asset-row", has_text="Harbour at night")
    expect(row.locator(".badge-state", has_text="Ready")).to_be_visible(timeout=120_000)


def make_and_reorder_a_playlist(page: Page) -> None:
    press(page, "nav a", "^playlists")
    page.wait_for_url("**/playlists/**")
    write(page, "name", "By hand")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("By hand")
    reach(page, "button", "^add harbour")
    for count in (1, 2, 3):
        page.keyboard.press("Enter")
        expect(page.locator(".item-row")).to_have_count(count)
    before = order(page)
    reach(page, "[id^=down-]")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "(old) => document.querySelector('[data-item]').dataset.item !== old", arg=before[0]
    )
    assert order(page) == [before[1], before[0], before[2]]
    # The focus went with the item: pressing again moves the same one on.
    page.keyboard.press("Enter")
    page.wait_for_function(
        "(old) => document.querySelectorAll('[data-item]')[2].dataset.item === old", arg=before[0]
    )
    press(page, "#undo")
    page.wait_for_function(
        "(old) => document.querySelectorAll('[data-item]')[1].dataset.item === old", arg=before[0]
    )
    press(page, "button", "^take out")
    expect(page.locator(".item-row")).to_have_count(2)
    press(page, "#undo")
    expect(page.locator(".item-row")).to_have_count(3)


def create_start_and_stop_a_stream(page: Page) -> None:
    press(page, "nav a", "^streams")
    page.wait_for_url("**/streams/**")
    press(page, "a", "^new stream")
    page.wait_for_url("**/streams/new/**")
    write(page, "title", "Without a mouse")
    choose(page, "playlist", "By hand")
    choose(page, "service", "test receiver")
    press(page, "button", "^create stream")
    expect(page.locator("h1")).to_have_text("Without a mouse")
    press(page, "button", "^start")
    badge = page.locator("#live .badge-state").first  # the stream's own; receivers have theirs
    expect(badge).to_have_text("On air", timeout=40_000)
    edit_what_comes(page)
    press(page, "a", "^stop")
    expect(page.get_by_role("dialog")).to_be_visible()
    # A dialog keeps the focus inside, and Escape gives it back.
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("document.activeElement.innerText.trim()") == "Stop"
    page.keyboard.press("Enter")
    press(page, "dialog button", "^stop")
    expect(badge).to_have_text("Off", timeout=40_000)


def edit_what_comes(page: Page) -> None:
    send(page, "#live a", "^what comes")
    page.wait_for_url("**/programme/**")
    send(page, "button", "^play harbour at night next")
    expect(page.locator("#notices")).to_contain_text("begins at")
    send(page, "button", "^jump to harbour at night now")
    expect(page.locator("#notices")).to_contain_text("begins at")
    choose(page, "at", "As soon as possible")
    send(page, ".crumbs a", "^without a mouse")
    expect(page.locator("h1")).to_have_text("Without a mouse")


def rename_the_workspace(page: Page) -> None:
    press(page, "nav a", "^settings")
    page.wait_for_url("**/settings/**")
    write(page, "name", "Hands only")
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("name")
    expect(page.locator(".shell-rail")).to_contain_text("Hands only")


def put_a_file_into_a_folder(page: Page) -> None:
    press(page, "nav a", "^library")
    page.wait_for_url("**/library/**")
    press(page, "a", "^new folder")
    expect(page.get_by_role("dialog")).to_be_visible()
    write(page, "name", "Harbours")
    page.keyboard.press("Enter")
    expect(page.locator(".folder", has_text="Harbours")).to_be_visible()
    press(page, "a", "^all files")
    expect(page.locator(".asset-row")).to_have_count(1)


def invite_somebody(page: Page) -> None:
    press(page, "nav a", "^settings")
    page.wait_for_url("**/settings/**")
    press(page, ".settings-nav a", "^team")
    page.wait_for_url("**/settings/team/**")
    write(page, "email", "bob@example.org")
    choose(page, "role", "Editor")
    press(page, "button", "^send invitation")
    expect(page.locator("main")).to_contain_text("Open invitations")
    press(page, "button", "^revoke the invitation")
    expect(page.locator("main")).not_to_contain_text("Open invitations")


def make_and_revoke_a_token(page: Page) -> None:
    press(page, ".settings-nav a", "^api")
    page.wait_for_url("**/settings/tokens/**")
    write(page, "name", "Nightly backup")
    press(page, "button", "^make token")
    expect(page.locator("#made-token")).to_be_focused()
    press(page, "a", "^revoke nightly backup")
    page.wait_for_url("**/revoke/**")
    press(page, "main button", "^revoke")
    page.wait_for_url("**/settings/tokens/**")
    expect(page.locator("#notices")).to_contain_text("Nightly backup is revoked.")
    expect(page.locator(".setting-row")).to_have_count(0)


def test_every_journey_goes_by_keyboard_alone(
    page: Page, installation: Installation, clip: Path
) -> None:
    sign_up_and_in_again(page)
    upload(page, clip)
    make_and_reorder_a_playlist(page)
    create_start_and_stop_a_stream(page)
    rename_the_workspace(page)
    put_a_file_into_a_folder(page)
    invite_somebody(page)
    make_and_revoke_a_token(page)


# -- YouTube --------------------------------------------------------------------------------------


def connect_a_channel(page: Page) -> None:
    send(page, "nav a", "^channels")
    page.wait_for_url("**/channels/**")
    send(page, "button", "^connect a channel")
    page.wait_for_url("**/o/oauth2/**")
    reach(page, "input[name=who]")
    while not page.locator("label", has_text="Garden Films").locator("input").is_checked():
        page.keyboard.press("ArrowDown")
    for _ in range(page.locator("input[name=granted]").count()):
        reach(page, "input[name=granted]")
        page.keyboard.press("Space")
    send(page, "button", "^continue")
    page.wait_for_url("**/channels/*/")
    expect(page.locator("h1")).to_have_text("Garden Films")
    send(page, "button", "^check now")
    expect(page.locator("#notices")).not_to_be_empty()


def look_at_quota_and_client(page: Page) -> None:
    send(page, "main a", "^details")
    page.wait_for_url("**/channels/quota/**")
    expect(page.locator("h1")).to_have_text("YouTube quota")
    send(page, ".crumbs a", "^channels")
    send(page, "main a", "^bring one")
    page.wait_for_url("**/channels/client/**")
    reach(page, "#return-address")
    write(page, "client_id", "made-up")
    send(page, "a", "^back")
    page.wait_for_url(re.compile("/channels/([?].*)?$"))


def describe_a_stream_for_youtube(page: Page) -> None:
    send(page, "nav a", "^streams")
    send(page, "a", "^new stream")
    page.wait_for_url("**/streams/new/**")
    write(page, "title", "Shown by hand")
    send(page, "button", "^create stream")
    expect(page.locator("h1")).to_have_text("Shown by hand")
    send(page, "#youtube a", "^change")
    page.wait_for_url("**/youtube/")
    write(page, "title", "{stream}, by hand")
    write(page, "description", "No mouse was near.")
    choose(page, "privacy", "Unlisted")
    choose(page, "policy", "Archives")
    reach(page, "[name=made_for_kids]")
    page.keyboard.press("Space")
    send(page, "button", "^save")
    page.wait_for_url(re.compile("/streams/[0-9a-f-]+/$"))
    send(page, "#youtube a", "^change")
    expect(page.locator("[name=title]")).to_have_value("{stream}, by hand")
    expect(page.locator("[name=made_for_kids]")).to_be_checked()
    expect(page.locator("[name=policy]")).to_have_value("archives")
    send(page, "main a", "^back")
    send(page, "#youtube a", "^take over")
    page.wait_for_url("**/youtube/adopt/**")
    send(page, "button", "^look on youtube")
    expect(page.locator("main")).to_contain_text("Nothing to take over")


def follow_a_playlist_of_youtube(page: Page) -> None:
    send(page, "nav a", "^playlists")
    send(page, "a", "^from youtube")
    page.wait_for_url("**/playlists/youtube/**")
    send(page, "button", "^look on youtube")
    send(page, "button", "^make a playlist of evening")
    expect(page.locator("h1")).to_have_text("Evening programme")


def test_channels_and_youtube_go_by_keyboard_alone(page: Page, installation: Installation) -> None:
    installation.youtube("faults/reset", now=True)
    sign_up(page, "by-hand@example.org")
    connect_a_channel(page)
    look_at_quota_and_client(page)
    describe_a_stream_for_youtube(page)
    follow_a_playlist_of_youtube(page)
