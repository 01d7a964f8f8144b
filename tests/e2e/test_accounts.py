"""Accounts as a person meets them: mail, Google, codes and passkeys, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.conftest import ROOT, without_settings
from tests.e2e.google import Google
from tests.servers import free_port
from tests.waiting import wait_until

PASSWORD = "correct horse battery staple"


@dataclass
class Site:
    """The product's pages with a mail server (a directory) and Google (our own)."""

    port: int
    mails: Path
    google: Google

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def named(self) -> str:
        """By name: browsers know passkeys of names only."""
        return f"http://localhost:{self.port}"

    def link_to(self, email: str) -> str:
        """The link in the latest mail to somebody."""

        def find() -> str:
            for path in sorted(self.mails.glob("*.log"), key=lambda p: p.stat().st_mtime)[::-1]:
                text = path.read_text()
                if f"To: {email}" in text:
                    return re.search(r"https?://\S+", text)[0]  # type: ignore[index]
            return ""

        return str(wait_until(find, f"no mail to {email}"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, fresh: Path) -> Iterator[Site]:
    """The pages alone, in a process of their own."""
    home = tmp_path_factory.mktemp("site")
    shutil.copytree(fresh, home, dirs_exist_ok=True)
    google = Google()
    server = google.start()
    found = Site(free_port(), home / "mails", google)
    environment = without_settings(os.environ) | google.settings() | {
        "ENV_FILE": "",
        "ENVIRONMENT": "development",
        "DATA_DIR": str(home),
        "SECRET_KEY": "the site lives for a few tests only and keeps nothing",
        "FIELD_ENCRYPTION_KEYS": "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtMDA=",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "EMAIL_URL": f"file://{found.mails}",
        "TRUSTED_PROXY": "true",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }  # fmt: skip
    with (home / "site.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "config.asgi:application", "--lifespan", "off",
             "--host", "127.0.0.1", "--port", str(found.port), "--no-access-log"],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until(lambda: _answers(found.address), (home / "site.log").read_text())
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        server.shutdown()
        server.server_close()
    faults = (home / "site.log").read_text()
    assert "Traceback" not in faults, faults
    assert google.complaints == []


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/accounts/login/", timeout=2):
            return True
    except OSError:
        return False


_callers = iter(range(1, 250))


@pytest.fixture
def visitor(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Makes browsers of people who were never here; what they complain about fails the test."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def come(base: str = "") -> Page:
        # Each from an address of their own, as our proxy would tell: limits are tested elsewhere.
        context = browser.new_context(
            base_url=base or site.address,
            viewport={"width": 1280, "height": 900},
            extra_http_headers={"X-Forwarded-For": f"198.51.100.{next(_callers)}"},
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        return page

    yield come
    for context in contexts:
        context.close()
    assert complaints == []


def sign_up(page: Page, site: Site, email: str) -> None:
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    link = urlsplit(site.link_to(email)).path
    page.goto(link)
    page.get_by_role("button", name="Yes, confirm it").click()
    expect(page).to_have_url(re.compile("/dashboard/"))


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.locator("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile(r"/$"))


def begin(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def code_of(secret: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return str(format_hotp_value(hotp_value(secret, counter)))


def test_a_person_signs_up_by_mail_and_resets_a_forgotten_password(
    visitor: Callable[..., Page], site: Site
) -> None:
    page = visitor()
    sign_up(page, site, "ann@example.org")
    other = visitor()
    other.goto("/accounts/login/")
    other.get_by_role("link", name="Forgot your password?").click()
    other.get_by_label("Email").fill("ann@example.org")
    other.get_by_role("button", name="Send me a link").click()
    expect(other.get_by_role("heading", name="Check your mail")).to_be_visible()
    other.goto(urlsplit(site.link_to("ann@example.org")).path)
    other.get_by_label("New Password", exact=True).fill("a new battery staple")
    other.get_by_label("New Password (again)").fill("a new battery staple")
    other.get_by_role("button", name="Save the password").click()
    expect(other.get_by_role("heading", name="Your password is new")).to_be_visible()
    page.goto("/settings/profile/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    begin(other, "ann@example.org", "a new battery staple")
    expect(other).to_have_url(re.compile("/dashboard/"))


def test_google_signs_a_new_person_up_and_in_again(
    visitor: Callable[..., Page], site: Site
) -> None:
    site.google.sends("greta@example.org", name="Greta Example")
    page = visitor()
    page.goto("/accounts/signup/")
    page.get_by_role("button", name="Continue with Google").click()
    expect(page).to_have_url(re.compile("/dashboard/"))
    page.goto("/settings/profile/")
    expect(page.get_by_role("textbox", name="Name")).to_have_value("Greta Example")
    expect(page.get_by_text("Confirmed", exact=True)).to_be_visible()
    again = visitor()
    again.goto("/accounts/login/?next=/settings/security/")
    again.get_by_role("button", name="Continue with Google").click()
    expect(again).to_have_url(re.compile("/settings/security/"))
    expect(again.get_by_text("You have none: you sign in another way.")).to_be_visible()


def test_two_steps_with_codes_and_a_code_for_the_day_the_phone_is_lost(
    visitor: Callable[..., Page], site: Site
) -> None:
    page = visitor()
    sign_up(page, site, "tom@example.org")
    page.goto("/settings/security/")
    page.get_by_role("link", name="Turn on").click()
    if "reauthenticate" in page.url:
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
    picture = page.get_by_role("img", name="QR code")
    assert picture.evaluate("image => image.naturalWidth") > 50
    secret = page.locator("code").inner_text()
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    spare = page.locator(".codes li").first.inner_text()
    sign_out(page)
    begin(page, "tom@example.org")
    expect(page.get_by_role("heading", name="The second step")).to_be_visible()
    page.goto("/settings/profile/")
    expect(page.get_by_role("heading", name="The second step")).to_be_visible()
    page.get_by_label("Code").fill(spare)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(re.compile("/dashboard/"))
    sign_out(page)
    begin(page, "tom@example.org")
    page.get_by_label("Code").fill(spare)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".field-error")).to_be_visible()
    page.goto("/settings/profile/")
    expect(page.get_by_role("heading", name="The second step")).to_be_visible()


def test_a_passkey_is_added_and_opens_the_account_alone(
    visitor: Callable[..., Page], site: Site
) -> None:
    page = visitor(site.named)
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
                "hasUserVerification": True, "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )  # fmt: skip
    sign_up(page, site, "pia@example.org")
    page.goto("/settings/security/")
    page.get_by_role("link", name="Add a passkey").click()
    if "reauthenticate" in page.url:
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
    page.get_by_role("textbox", name="Name").fill("Laptop")
    expect(page.get_by_label("Sign in with it alone")).to_be_checked()
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_url(lambda url: "webauthn/add" not in url)
    page.goto("/accounts/2fa/webauthn/")
    expect(page.get_by_text("Laptop")).to_be_visible()
    sign_out(page)
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/dashboard/"))


def test_a_numeric_address_offers_no_passkey_and_says_why(
    visitor: Callable[..., Page], site: Site
) -> None:
    page = visitor()
    page.goto("/accounts/login/")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)
    sign_up(page, site, "ned@example.org")
    page.goto("/settings/security/")
    expect(page.get_by_text("numeric address")).to_be_visible()


def test_a_team_grows_by_mail(visitor: Callable[..., Page], site: Site) -> None:
    owner = visitor()
    sign_up(owner, site, "olga@example.org")
    owner.goto("/settings/team/")
    owner.get_by_label("E-mail").fill("max@example.org")
    owner.get_by_label("Role", exact=True).select_option("editor")
    owner.get_by_role("button", name="Send invitation").click()
    expect(owner.get_by_role("heading", name="Open invitations")).to_be_visible()
    guest = visitor()
    guest.goto(urlsplit(site.link_to("max@example.org")).path)
    guest.get_by_role("link", name="Create an account").click()
    expect(guest.get_by_label("Email")).to_have_value("max@example.org")
    guest.get_by_label("Password", exact=True).fill(PASSWORD)
    guest.get_by_label("Password (again)").fill(PASSWORD)
    guest.get_by_role("button", name="Create account").click()
    guest.get_by_role("button", name="Accept").click()
    expect(guest).to_have_url(re.compile("/dashboard/.workspace=olga"))
    owner.reload()
    expect(owner.get_by_role("heading", name="max@example.org")).to_be_visible()
    owner.get_by_label("Role of max@example.org").select_option("viewer")
    expect(owner.get_by_text("max@example.org has the role Viewer now.")).to_be_visible()


# -- Google, as somebody who means harm would use it -----------------------------------------------


class Caller(requests.Session):
    """A browser without a screen, that stops at every redirect."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        self.headers["X-Forwarded-For"] = f"203.0.113.{next(_callers)}"

    def form(self, path: str, **data: str) -> requests.Response:
        self.get(self.site.address + path)
        data["csrfmiddlewaretoken"] = self.cookies["csrftoken"]
        return self.post(self.site.address + path, data=data, allow_redirects=False)

    def ask_google(self, process: str = "login") -> str:
        """Where Google sends this browser back to."""
        begun = self.form(f"/accounts/google/login/?process={process}")
        assert begun.status_code == 302, begun.text
        back = requests.get(begun.headers["Location"], allow_redirects=False, timeout=60)
        return str(back.headers["Location"])

    def follow(self, address: str) -> requests.Response:
        return self.get(address, allow_redirects=False)

    @property
    def is_in(self) -> bool:
        return self.follow(f"{self.site.address}/settings/profile/").status_code == 200


@pytest.fixture
def stranger(site: Site) -> Caller:
    return Caller(site)


def test_an_answer_of_google_works_in_the_browser_that_asked_and_once(
    site: Site, stranger: Caller
) -> None:
    site.google.sends("gus@example.org")
    mine = stranger.ask_google()
    victim = Caller(site)
    assert "did not let you in" in victim.follow(mine).text
    assert not victim.is_in, "somebody else's answer signs nobody in"
    assert stranger.follow(mine).headers["Location"].endswith("/dashboard/")
    assert stranger.is_in
    assert stranger.follow(mine).status_code == 401, "an answer used twice is refused"


@pytest.mark.parametrize("change", ["", "state=", "state=made-up", "error=access_denied"])
def test_an_answer_without_its_state_is_refused(site: Site, stranger: Caller, change: str) -> None:
    site.google.sends("gil@example.org")
    back = urlsplit(stranger.ask_google())
    code = parse_qs(back.query)["code"][0]
    answer = stranger.follow(f"{site.address}{back.path}?code={code}&{change}")
    assert answer.status_code in (200, 302, 401)
    assert not stranger.is_in


def test_whoever_declines_is_told_so(site: Site, stranger: Caller) -> None:
    site.google.sends("gil@example.org")
    site.google.refuses = True
    answer = stranger.get(stranger.ask_google())
    assert "Sign-in was cancelled" in answer.text


def test_a_token_for_another_client_is_refused(site: Site, stranger: Caller) -> None:
    site.google.sends("gil@example.org")
    site.google.audience = "somebody-else.apps.example"
    stranger.follow(stranger.ask_google())
    assert not stranger.is_in


def test_without_an_id_token_google_is_asked_who_it_is(site: Site, stranger: Caller) -> None:
    site.google.sends("gerd@example.org")
    site.google.gives_id_token = False
    stranger.follow(stranger.ask_google())
    assert stranger.is_in


def register(site: Site, email: str, *, confirm: bool) -> Caller:
    caller = Caller(site)
    caller.form("/accounts/signup/", email=email, password1=PASSWORD, password2=PASSWORD)
    if confirm:
        caller.form(urlsplit(site.link_to(email)).path)
        assert caller.is_in
    return caller


def test_google_opens_an_account_whose_address_was_confirmed(site: Site, stranger: Caller) -> None:
    register(site, "both@example.org", confirm=True)
    site.google.sends("both@example.org")
    stranger.follow(stranger.ask_google())
    assert "both@example.org" in stranger.get(f"{site.address}/settings/security/").text


def test_google_does_not_open_an_account_that_waits_for_its_owner(
    site: Site, stranger: Caller
) -> None:
    register(site, "trap@example.org", confirm=False)
    site.google.sends("trap@example.org")
    stranger.follow(stranger.ask_google())
    assert not stranger.is_in


def test_an_address_that_google_did_not_confirm_opens_nothing(site: Site, stranger: Caller) -> None:
    register(site, "mine@example.org", confirm=True)
    site.google.sends("mine@example.org", verified=False)
    stranger.follow(stranger.ask_google())
    assert not stranger.is_in


def test_an_answer_cannot_be_slipped_to_somebody_signed_in(site: Site) -> None:
    victim = register(site, "vera@example.org", confirm=True)
    attacker = Caller(site)
    site.google.sends("mallory@example.org")
    victim.follow(attacker.ask_google())
    assert "mallory@example.org" not in victim.get(f"{site.address}/settings/security/").text


def test_the_policy_lets_forms_lead_to_google_and_nowhere_else(
    site: Site, stranger: Caller
) -> None:
    policy = stranger.get(f"{site.address}/accounts/login/").headers["Content-Security-Policy"]
    allowed = re.search(r"form-action ([^;]+)", policy)
    assert allowed is not None
    assert allowed[1].split() == ["'self'", site.google.address]
