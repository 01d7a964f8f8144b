"""Creating an account and confirming its address."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.messages import get_messages
from django.core import mail
from django.test import Client

from apps.accounts.models import User
from tests.conftest import PASSWORD

DORA = {"email": "dora@example.org", "password1": PASSWORD, "password2": PASSWORD}
SENT = "/accounts/confirm-email/"


def sign_up(client, **changes):
    return client.post("/accounts/signup/", DORA | changes)


def test_without_a_mail_server_one_is_in_at_once(client, db):
    assert sign_up(client).url == "/dashboard/"
    assert client.get("/settings/profile/").status_code == 200


def test_with_one_the_address_is_confirmed_first(client, db, confirming, link_in):
    assert sign_up(client).url == SENT
    assert "Check your mail" in client.get(SENT).content.decode()
    assert client.get("/dashboard/").status_code == 302
    link = link_in("dora@example.org")
    assert "Is dora@example.org yours?" in client.get(link).content.decode()
    assert not EmailAddress.objects.get().verified, "reading a link must not confirm it"
    assert client.post(link).url == "/dashboard/"
    assert EmailAddress.objects.get().verified
    assert client.get("/settings/profile/").status_code == 200


def test_the_link_opens_no_session_in_another_browser(client, db, confirming, link_in):
    sign_up(client)
    elsewhere = Client()
    elsewhere.post(link_in("dora@example.org"))
    assert EmailAddress.objects.get().verified
    assert "_auth_user_id" not in elsewhere.session


def test_a_spoilt_link_says_what_to_do(client, db):
    page = client.get("/accounts/confirm-email/abc:def:ghi/").content.decode()
    assert "This link does not work any more" in page
    assert "/accounts/login/" in page


def test_an_expired_link_confirms_nothing(client, db, confirming, link_in, settings):
    sign_up(client)
    settings.ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = -1
    link = link_in("dora@example.org")
    assert "does not work any more" in client.get(link).content.decode()
    assert client.post(link).status_code == 404
    assert not EmailAddress.objects.get().verified


def test_the_link_is_sent_again_but_not_twice_a_minute(client, db, confirming):
    sign_up(client)
    assert len(mail.outbox) == 1
    answer = client.post("/accounts/confirm-email/resend/")
    assert answer.url == SENT
    assert "Wait a minute" in " ".join(str(m) for m in get_messages(answer.wsgi_request))
    assert len(mail.outbox) == 1


def test_it_is_sent_again_after_a_while(client, db, confirming, settings):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "confirm_email": "3/1m/key"}
    sign_up(client)
    client.post("/accounts/confirm-email/resend/")
    assert [m.to for m in mail.outbox] == [["dora@example.org"]] * 2


def test_nobody_makes_us_mail_to_others(client, db, confirming):
    assert client.post("/accounts/confirm-email/resend/").url == "/accounts/login/"
    assert mail.outbox == []


@pytest.mark.parametrize("email", ["dora@example.org", "alice@example.org"])
def test_signing_up_does_not_tell_who_has_an_account(client, alice, confirming, email):
    answer = sign_up(client, email=email)
    assert (answer.status_code, answer.url) == (302, SENT)
    assert len(mail.outbox) == 1
    again = client.post("/accounts/confirm-email/resend/")
    assert again.url == SENT
    assert User.objects.filter(email="alice@example.org").count() == 1


def test_mails_speak_of_us_and_name_no_foreign_host(client, db, confirming):
    sign_up(client)
    assert mail.outbox[0].subject == "Confirm your e-mail address"
    assert "YouTube Streamer" in mail.outbox[0].body
    assert "example.com" not in mail.outbox[0].body


def test_a_mail_server_that_is_down_breaks_no_page(client, db, confirming, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 1
    assert sign_up(client).url == SENT


@pytest.mark.parametrize("password", ["dora@example.org", "password123", "1234567890123", "short"])
def test_weak_passwords_are_refused(client, db, password):
    answer = sign_up(client, password1=password, password2=password)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not User.objects.exists()


def test_a_form_gives_no_rights(client, db):
    sign_up(client, is_staff="on", is_superuser="on", is_active="", name="Root")
    dora = User.objects.get()
    assert (dora.is_staff, dora.is_superuser, dora.is_active) == (False, False, True)
