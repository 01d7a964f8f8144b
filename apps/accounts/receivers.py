"""What happens here when something happened elsewhere."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver

from apps.accounts import services
from apps.accounts.models import User


@receiver(user_logged_in)
def open_first_workspace(sender: Any, user: User, **_: Any) -> None:
    """Whoever logs in has a workspace; signing up logs in too."""
    services.ensure_workspace(user=user)
