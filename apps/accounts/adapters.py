"""How the sign-in library fits our users."""

from __future__ import annotations

import ipaddress
import logging
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.http import Http404, HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from apps.accounts.models import User
from apps.core.fields import open_sealed, seal

log = logging.getLogger(__name__)

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - nobody binds it: callers on a socket share one limit


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """E-mail addresses in lower case, redirects within this site, callers that cannot lie."""

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """The user from the sign-up form."""
        saved: User = super().save_user(request, user, form, commit=False)
        saved.email = saved.email.lower()
        if commit:
            saved.save()
        return saved

    def unstash_verified_email(self, request: HttpRequest) -> str | None:
        """Nothing: holding an invitation confirms its address for whoever signs up with it.

        The library would give that address, confirmed, to an account with any other address too.
        """
        return None

    def is_safe_url(self, url: str | None) -> bool:
        """Whether to go to `url` after signing in: a path on this site, and nothing else."""
        if not url or not url.startswith("/") or any(ord(char) < 0x20 for char in url):
            return False
        # Without allowed hosts it refuses `//host`, `/\host` and what browsers make of them.
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def get_client_ip(self, request: HttpRequest) -> str:
        """The caller's address, which rate limits count by.

        Only what our own proxies appended to `X-Forwarded-For` is believed; what stands before
        it was sent by the caller.
        """
        address = str(request.META.get("REMOTE_ADDR") or "")
        trusted = int(settings.TRUSTED_PROXY_COUNT)
        forwarded = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",")]
        if 0 < trusted <= len(forwarded):
            address = forwarded[-trusted] or address
        try:
            return str(ipaddress.ip_address(address))
        except ValueError:
            return UNKNOWN_ADDRESS

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send it, or say in the log that the mail server did not take it.

        Nobody can tell from our answer whether a mail went out: it would show who has an account.
        """
        context = {"mail_outbox": settings.MAIL_OUTBOX, **context}
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, SMTPException) as error:
            log.error(
                "The mail server did not take %s (%s). Check EMAIL_URL.",
                template_prefix.rpartition("/")[2],
                error.__class__.__name__,
            )


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Google opens an account that exists only by an address that both sides have confirmed."""

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        """Whether Google's word for `email` is enough to enter the account that has it.

        An account whose address was never confirmed may have been made by somebody else, to wait
        for its owner; it is linked only by its own password, from its security page.
        """
        confirmed = EmailAddress.objects.filter(email__iexact=email, verified=True).exists()
        return confirmed and bool(super().can_authenticate_by_email(login, email))

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Any) -> User:
        """A new user with the name that Google tells."""
        user: User = super().populate_user(request, sociallogin, data)
        parts = (data.get("first_name"), data.get("last_name"))
        user.name = " ".join(part for part in parts if part)[:120]
        user.email = user.email.lower()
        return user

    def get_provider(self, request: HttpRequest, provider: Any, client_id: Any = None) -> Any:
        """The provider, when this installation offers it."""
        if not settings.GOOGLE_SIGN_IN:
            raise Http404("Sign-in with Google is not set up here.")
        return super().get_provider(request, provider, client_id)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second-factor secrets are encrypted like every other secret."""

    def encrypt(self, text: str) -> str:
        """The stored form."""
        return seal(text, "mfa", tuple(settings.FIELD_ENCRYPTION_KEYS))

    def decrypt(self, encrypted_text: str) -> str:
        """The secret again."""
        return open_sealed(encrypted_text, "mfa", tuple(settings.FIELD_ENCRYPTION_KEYS))
