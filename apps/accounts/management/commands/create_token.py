"""`manage.py create_token EMAIL [--name N]`: prints a new API token, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from apps.accounts import services
from apps.accounts.access import get_workspace_for
from apps.accounts.models import User


class Command(BaseCommand):
    """Makes an API token for a user's workspace."""

    help = "Print a new API token for a workspace of EMAIL; it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The user, and optionally a name and a workspace."""
        parser.add_argument("email")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument("--workspace", default=None, help="slug; the user's first by default")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the token on stdout."""
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise CommandError(f"Nobody has an account {options['email']}. Check the spelling.")
        try:
            workspace = get_workspace_for(user, options["workspace"])
        except Http404:
            raise CommandError(
                f"{user.email} is no member of such a workspace. Leave --workspace out, "
                "or let an owner add them."
            ) from None
        _token, text = services.create_token(workspace=workspace, by=user, name=options["name"])
        self.stdout.write(text)
