"""Guessing, listing and luring at the door, and what a session is worth afterwards."""

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.conf import settings as project
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client
from django.urls import reverse

from apps.accounts import services
from apps.accounts.models import AuditEntry
from apps.accounts.templatetags.people import device
from tests.conftest import PASSWORD

LOGIN = "/accounts/login/"
NEW = "quite another battery staple"


def sign_in(client, email="alice@example.org", password=PASSWORD, **extra):
    return client.post(LOGIN, {"login": email, "password": password}, **extra)


def is_in(client):
    return client.get("/settings/profile/").status_code == 200


# -- where one is sent -----------------------------------------------------------------------------

ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example/",
    "https:evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/%0d%0aLocation:%20https://evil.example",
    "/\r\nLocation: https://evil.example",
    "/\tevil",
    " //evil.example",
    "evil.example",
    "http://testserver@evil.example/",
    "http://testserver/settings/",
]


def goes_outside(address):
    return not address.startswith("/") or address[1:2] in ("/", "\\") or "\n" in address


@pytest.mark.parametrize("target", ELSEWHERE)
def test_signing_in_leads_nowhere_else(client, alice, target):
    answer = client.post(f"{LOGIN}", {"login": alice.email, "password": PASSWORD, "next": target})
    assert answer.status_code == 302
    assert not goes_outside(answer.url), answer.url


@pytest.mark.parametrize("target", ELSEWHERE)
@pytest.mark.parametrize("door", ["/accounts/signup/", "/accounts/logout/", LOGIN])
def test_no_other_door_leads_elsewhere(as_alice, door, target):
    for answer in (as_alice.post(door, {"next": target}), as_alice.get(door, {"next": target})):
        if answer.status_code in (301, 302, 303):
            assert not goes_outside(answer.url), (door, answer.url)
        assert "evil" not in answer.get("Location", "") or answer.url.startswith("/")


@pytest.mark.parametrize("target", ELSEWHERE)
def test_hiding_the_first_steps_leads_nowhere_else(as_alice, target):
    answer = as_alice.post(reverse("first-steps-hide"), {"next": target})
    assert not goes_outside(answer.url)


def test_a_path_on_this_site_is_honoured(client, alice):
    answer = client.post(LOGIN, {"login": alice.email, "password": PASSWORD, "next": "/streams/"})
    assert answer.url == "/streams/"


# -- guessing --------------------------------------------------------------------------------------


def test_a_password_is_guessed_five_times_and_no_more(client, alice):
    for _ in range(5):
        sign_in(client, password="wrong")
    answer = sign_in(client)
    assert answer.status_code == 200
    assert "Too many" in str(answer.context["form"].errors)


def test_another_address_gains_nothing_on_the_same_account(alice):
    for number in range(5):
        sign_in(Client(REMOTE_ADDR=f"203.0.113.{number}"), password="wrong")
    assert sign_in(Client(REMOTE_ADDR="198.51.100.7")).status_code == 200


def test_one_address_is_stopped_whatever_accounts_it_tries(db):
    client = Client(REMOTE_ADDR="203.0.113.9")
    answers = [sign_in(client, email=f"{n}@example.org", password="wrong") for n in range(25)]
    refused = [a for a in answers if a.status_code == 429 or "Too many" in a.content.decode()]
    assert len(refused) >= 14


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_a_made_up_forwarding_header_resets_no_limit(alice, settings, proxies):
    settings.TRUSTED_PROXY_COUNT = proxies
    # What our own proxies append is the same each time; what stands before is the caller's.
    appended = ["203.0.113.5", "10.0.0.2"][:proxies]
    answers = []
    for number in range(25):
        claimed = ", ".join([f"198.51.100.{number}", *appended])
        client = Client(REMOTE_ADDR="203.0.113.5" if not proxies else "127.0.0.1")
        answers.append(
            sign_in(client, email=f"{number}@x.example", password="x", HTTP_X_FORWARDED_FOR=claimed)
        )
    refused = [a for a in answers if a.status_code == 429 or "Too many" in a.content.decode()]
    assert len(refused) >= 14


def test_callers_behind_our_proxy_are_told_apart(alice, settings):
    settings.TRUSTED_PROXY_COUNT = 1
    for number in range(25):
        address = f"198.51.100.{number}"
        answer = sign_in(
            Client(), email=f"{number}@x.example", password="x", HTTP_X_FORWARDED_FOR=address
        )
        assert answer.status_code == 200
        assert "Too many" not in answer.content.decode()


def test_the_right_password_counts_against_nobody(alice):
    for _ in range(8):
        assert sign_in(Client()).status_code == 302


def test_the_admin_has_no_door_of_its_own(client, alice):
    answer = client.get("/admin/login/")
    assert answer.status_code == 302
    assert answer.url.startswith(LOGIN)


# -- listing ---------------------------------------------------------------------------------------


class CountingHasher(MD5PasswordHasher):
    algorithm = "counting"
    work = 0

    def encode(self, password, salt):
        type(self).work += 1
        return super().encode(password, salt)


def test_an_unknown_address_costs_as_much_hashing_as_a_known_one(settings, db):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    services.create_user(email="alice@example.org", password=PASSWORD)
    work = {}
    for email in ("alice@example.org", "nobody@example.org"):
        CountingHasher.work = 0
        sign_in(Client(), email=email, password="wrong")
        work[email] = CountingHasher.work
    assert work["alice@example.org"] == work["nobody@example.org"] == 1


def test_a_wrong_password_and_a_wrong_address_read_the_same(alice):
    errors = {
        str(sign_in(Client(), email=email, password="wrong").context["form"].errors)
        for email in ("alice@example.org", "nobody@example.org")
    }
    assert len(errors) == 1


@pytest.mark.parametrize("email", ["alice@example.org", "nobody@example.org"])
def test_asking_for_a_new_password_reads_the_same_for_everybody(client, alice, email):
    answer = client.post("/accounts/password/reset/", {"email": email})
    assert answer.url == "/accounts/password/reset/done/"
    assert len(mail.outbox) == 1, "the same work either way: one mail"
    assert "If there is an account" in client.get(answer.url).content.decode()


def test_a_mailbox_is_not_flooded(alice):
    for number in range(30):
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        client.post("/accounts/password/reset/", {"email": "ALICE@example.org"})
    assert len(mail.outbox) == 3


# -- a new password --------------------------------------------------------------------------------


def reset_form(client, link):
    return client.get(link).url


def test_a_new_password_is_set_by_mail_once(client, alice, link_in):
    client.post("/accounts/password/reset/", {"email": alice.email})
    link = link_in(alice.email)
    form = reset_form(client, link)
    assert "set-password" in form, "the token leaves the address before a page is shown"
    page = client.get(form)
    assert link.rsplit("/", 2)[1].split("-", 1)[1] not in page.content.decode()
    answer = client.post(form, {"password1": NEW, "password2": NEW})
    assert answer.status_code == 302
    assert sign_in(Client(), password=NEW).status_code == 302
    again = Client()
    assert "does not work any more" in again.get(link).content.decode()


def test_a_link_is_worth_an_hour(client, alice, link_in, settings):
    assert project.PASSWORD_RESET_TIMEOUT == 3600
    client.post("/accounts/password/reset/", {"email": alice.email})
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "does not work any more" in client.get(link_in(alice.email)).content.decode()


def test_a_new_password_ends_all_sessions(client, as_alice, alice, link_in):
    assert is_in(as_alice)
    client.post("/accounts/password/reset/", {"email": alice.email})
    form = reset_form(client, link_in(alice.email))
    client.post(form, {"password1": NEW, "password2": NEW})
    assert not is_in(as_alice)
    assert AuditEntry.objects.filter(user=alice, code="password.reset").exists()


@pytest.mark.parametrize(
    "spoof", [{"HTTP_HOST": "evil.example"}, {"HTTP_X_FORWARDED_HOST": "evil.example"}]
)
def test_a_mail_never_names_a_host_that_the_caller_made_up(client, alice, spoof):
    client.post("/accounts/password/reset/", {"email": alice.email}, **spoof)
    assert not any("evil" in message.body + message.subject for message in mail.outbox)


def test_changing_the_password_keeps_this_session_and_ends_the_others(alice):
    here, there = Client(), Client()
    sign_in(here)
    sign_in(there)
    before = here.session.session_key
    answer = here.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
    )
    assert answer.status_code == 302
    assert here.session.session_key != before
    assert is_in(here)
    assert not is_in(there)
    assert "password was changed" in here.get("/settings/security/").content.decode()


# -- sessions --------------------------------------------------------------------------------------


def with_cookie(value):
    client = Client()
    client.cookies[project.SESSION_COOKIE_NAME] = value
    return client


def test_a_session_given_before_signing_in_opens_nothing_afterwards(alice):
    client = Client()
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies[project.SESSION_COOKIE_NAME] = planted = session.session_key
    sign_in(client)
    assert is_in(client)
    assert client.session.session_key != planted
    assert not is_in(with_cookie(planted))


def test_an_old_cookie_is_worth_nothing_after_signing_out(alice):
    client = Client()
    sign_in(client)
    old = client.session.session_key
    client.post("/accounts/logout/")
    assert not is_in(with_cookie(old))


def test_sessions_are_listed_and_the_others_ended(alice):
    here, there = Client(), Client(HTTP_USER_AGENT="A borrowed telephone")
    sign_in(here)
    sign_in(there)
    page = here.get("/accounts/sessions/").content.decode()
    assert "A borrowed telephone" in page
    assert page.count("This one") == 1
    here.post("/accounts/sessions/")
    assert is_in(here)
    assert not is_in(there)


@pytest.mark.parametrize(
    ("says", "named"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/130 Safari/537", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/130 Safari/537 Edg/130", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU OS 18 like Mac OS X) Version/18 Safari/604", "Safari on iPhone"),
        ("A borrowed telephone", "A borrowed telephone"),
        ("", "Unknown program"),
    ],
)
def test_a_browser_is_named_as_people_know_it(says, named):
    assert device(says) == named


def test_signing_out_everywhere_ends_this_one_too(alice):
    here, there = Client(), Client()
    sign_in(here)
    sign_in(there)
    assert here.post(reverse("sign-out-everywhere")).url == LOGIN
    assert not is_in(here)
    assert not is_in(there)
    assert not UserSession.objects.filter(user=alice).exists()


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(client, alice):
    cookie = sign_in(client).cookies[project.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_account_pages_are_kept_by_no_cache(client, alice):
    assert "no-store" in client.get(LOGIN)["Cache-Control"]


@pytest.mark.parametrize(
    "address",
    [
        LOGIN,
        "/accounts/signup/",
        "/accounts/password/reset/",
        "/accounts/password/change/",
        "/accounts/email/",
        "/accounts/sessions/",
        "/accounts/sessions/end/",
        "/accounts/logout/",
        "/accounts/confirm-email/resend/",
        "/settings/team/",
        "/settings/profile/",
        "/settings/team/leave/",
        "/settings/first-steps/hide/",
    ],
)
def test_a_form_of_another_site_changes_nothing(alice, address):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend=project.AUTHENTICATION_BACKENDS[0])
    answer = client.post(address, {"name": "x", "email": "x@example.org"}, HTTP_ORIGIN="https://e")
    assert answer.status_code == 403


def test_changing_the_address_takes_a_password_and_a_mail(alice, link_in):
    client = Client()
    client.force_login(alice, backend=project.AUTHENTICATION_BACKENDS[0])
    change = {"email": "alice@elsewhere.example", "action_add": ""}
    assert client.post("/accounts/email/", change).url.startswith("/accounts/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", change)
    alice.refresh_from_db()
    assert alice.email == "alice@example.org", "nothing changes before the link was opened"
    client.post(link_in("alice@elsewhere.example"))
    alice.refresh_from_db()
    assert alice.email == "alice@elsewhere.example"
    assert list(EmailAddress.objects.filter(user=alice).values_list("email", "verified")) == [
        ("alice@elsewhere.example", True)
    ]


def test_nobody_takes_the_address_of_another(alice, charlie):
    client = Client()
    sign_in(client, email=charlie.email)
    client.post("/accounts/email/", {"email": alice.email, "action_add": ""})
    assert not EmailAddress.objects.filter(user=charlie, email=alice.email, verified=True).exists()


def test_without_google_no_page_offers_it_and_its_addresses_are_missing(client, db):
    assert "Google" not in client.get(LOGIN).content.decode().partition("<footer")[0]
    for address in ("/accounts/google/login/", "/accounts/google/login/callback/"):
        assert client.get(address).status_code == 404
        assert client.post(address).status_code == 404


def test_what_was_written_down_cannot_be_changed_in_the_administration(client, alice):
    staff = services.create_user(email="root@example.org", password=PASSWORD)
    staff.is_staff = staff.is_superuser = True
    staff.save()
    entry = AuditEntry.objects.create(user=alice, by=alice, code="x", text="x")
    client.force_login(staff, backend=project.AUTHENTICATION_BACKENDS[0])
    address = f"/admin/accounts/auditentry/{entry.pk}/"
    assert client.get(f"{address}change/").status_code == 200
    assert client.post(f"{address}change/", {"text": "y"}).status_code == 403
    assert client.post(f"{address}delete/", {"post": "yes"}).status_code == 403
