"""How the sign-in library fits our users."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest

from apps.accounts.models import User
from apps.core.fields import open_sealed, seal


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """E-mail addresses in lower case; everything else as the library does it."""

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """The user from the sign-up form."""
        saved: User = super().save_user(request, user, form, commit=False)
        saved.email = saved.email.lower()
        if commit:
            saved.save()
        return saved


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second-factor secrets are encrypted like every other secret."""

    def encrypt(self, text: str) -> str:
        """The stored form."""
        return seal(text, "mfa", tuple(settings.FIELD_ENCRYPTION_KEYS))

    def decrypt(self, encrypted_text: str) -> str:
        """The secret again."""
        return open_sealed(encrypted_text, "mfa", tuple(settings.FIELD_ENCRYPTION_KEYS))
