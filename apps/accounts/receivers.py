"""What happens here when something happened elsewhere."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import (
    email_changed,
    email_confirmed,
    password_changed,
    password_reset,
    password_set,
)
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts import events, services
from apps.accounts.models import User


@receiver(user_logged_in)
def open_first_workspace(sender: Any, user: User, **_: Any) -> None:
    """Whoever logs in has a workspace; signing up logs in too."""
    services.ensure_workspace(user=user)


# -- what changed about an account, for its owner to see ------------------------------------------

_PLAIN = {
    password_changed: ("password.changed", "The password was changed."),
    password_reset: ("password.reset", "The password was set again by mail."),
    password_set: ("password.set", "A password was set."),
    social_account_added: ("google.linked", "Sign-in with Google was added."),
    social_account_removed: ("google.unlinked", "Sign-in with Google was removed."),
}
_FACTORS = {
    Authenticator.Type.TOTP: "The authenticator app",
    Authenticator.Type.WEBAUTHN: "A passkey",
    Authenticator.Type.RECOVERY_CODES: "Recovery codes",
}


def _note_plain(sender: Any, signal: Any, **found: Any) -> None:
    code, text = _PLAIN[signal]
    user: User = found["user"] if "user" in found else _owner(found)
    events.record(code, text, user=user, by=user)


def _owner(found: dict[str, Any]) -> User:
    linked = found["sociallogin"] if "sociallogin" in found else found["socialaccount"]
    user: User = linked.user
    return user


for _signal in _PLAIN:
    _signal.connect(_note_plain, dispatch_uid="accounts.note")


@receiver(email_confirmed)
def note_confirmed(sender: Any, email_address: Any, **_: Any) -> None:
    """An address was confirmed."""
    user = email_address.user
    events.record("email.confirmed", f"{email_address.email} was confirmed.", user=user, by=user)


@receiver(email_changed)
def note_email(sender: Any, user: User, from_email_address: Any, **found: Any) -> None:
    """Another address signs in now."""
    to = found["to_email_address"].email
    events.record("email.changed", f"The e-mail address is {to} now.", user=user, by=user)


@receiver(authenticator_added)
def note_factor(sender: Any, request: HttpRequest, user: User, **found: Any) -> None:
    """A second step was added; whoever knows the session's old name is shut out."""
    what = _FACTORS[found["authenticator"].type]
    events.record("mfa.added", f"{what} was added." if what[-1] != "s" else f"{what} were made.",
                  user=user, by=user)  # fmt: skip


@receiver(authenticator_removed)
def note_factor_gone(sender: Any, user: User, **found: Any) -> None:
    """A second step was removed."""
    what = _FACTORS[found["authenticator"].type]
    verb = "were" if what[-1] == "s" else "was"
    events.record("mfa.removed", f"{what} {verb} removed.", user=user, by=user)


@receiver(authenticator_reset)
def note_codes(sender: Any, user: User, **_: Any) -> None:
    """Recovery codes were made again."""
    events.record("mfa.codes", "Recovery codes were made again.", user=user, by=user)
