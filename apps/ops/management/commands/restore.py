"""`manage.py restore`: put back what `backup` wrote."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.ops import archive, examination
from apps.streaming.models import Desired, Stream


class Command(BaseCommand):
    """Checks the archive to its last byte first; until then nothing is changed."""

    help = "Put database and media back from a file of `backup`. Everything must be stopped."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which file, and whether it may take the place of what is there."""
        parser.add_argument("file", type=Path, help="what `backup` wrote")
        parser.add_argument(
            "--replace", action="store_true", help="in place of the accounts and streams here"
        )

    def handle(
        self, *args: Any, file: Path = Path(), replace: bool = False, **options: Any
    ) -> None:
        """Check, put back, and say what follows from it."""
        try:
            archive.refuse_what_runs()
            contents = archive.examine(file)
            if not replace and not archive.is_empty():
                raise CommandError(
                    "This installation is in use: its database would be replaced. Make a backup "
                    "of it, then give --replace."
                )
            archive.restore(file, contents)
        except archive.ArchiveRefused as refused:
            raise CommandError(str(refused)) from None
        except (OSError, DatabaseError) as error:
            raise CommandError(f"{file} could not be restored: {error}") from error
        self.stdout.write(
            f"Restored what was backed up at {contents.made_at}: the database and "
            f"{contents.files} media files."
        )
        wanted = Stream.objects.filter(desired=Desired.ON).count()
        if wanted:
            self.stdout.write(
                f"{wanted} streams are wished on air and go there when a node starts. Another "
                "installation must not send to their stream keys meanwhile."
            )
        try:
            examination.credentials()
        except (examination.Unwell, ImproperlyConfigured) as unwell:
            self.stderr.write(f"Stored secrets do not open: {unwell}")
