"""`manage.py create_token EMAIL [--name N] [--workspace SLUG] [--scope S ...]`: prints a token."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from apps.accounts import services
from apps.accounts.access import get_workspace_for, require
from apps.accounts.models import Scope, User


class Command(BaseCommand):
    """Makes an API token for a user's workspace."""

    help = "Print a new API token for a workspace of EMAIL; it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The user, and optionally a name and a workspace."""
        parser.add_argument("email")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument("--workspace", default=None, help="slug; the user's first by default")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            help="what it may do; repeat it. By default all but admin that the user's role allows",
        )

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
        role = require(user, workspace)
        scopes = options["scope"] or [scope for scope in services.EDITING if role >= scope.role]
        try:
            _token, text = services.create_token(
                workspace=workspace, by=user, name=options["name"], scopes=scopes
            )
        except ValidationError as refused:
            raise CommandError(refused.messages[0]) from None
        self.stdout.write(text)
