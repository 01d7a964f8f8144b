"""`manage.py backup`: one file with the database and the media of this installation."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from apps.ops import archive


class Command(BaseCommand):
    """Writes an archive that `restore` puts back. Everything may go on meanwhile."""

    help = "Write database and media into one file; what is on air is not disturbed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to, and whether media are wanted."""
        parser.add_argument(
            "file", nargs="?", type=Path, help="where to; in DATA_DIR/backups by default"
        )
        parser.add_argument(
            "--without-media", action="store_true", help="the database alone; media are large"
        )

    def handle(
        self,
        *args: Any,
        file: Path | None = None,
        without_media: bool = False,
        **options: Any,
    ) -> None:
        """Write, and say what and where."""
        if file is None:
            directory = Path(settings.DATA_DIR) / "backups"
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = directory / f"{timezone.now():%Y-%m-%dT%H%M%SZ}.tar"
        if file.exists():
            raise CommandError(f"{file} exists. Name another file, or remove it.")
        try:
            made = archive.write(file, with_media=not without_media)
        except (OSError, DatabaseError) as error:
            raise CommandError(f"Nothing was written to {file}: {error}") from error
        self.stdout.write(
            f"{file}: the database and {made.files} media files, {made.size_bytes / 1e6:.1f} MB."
        )
        if settings.AWS_STORAGE_BUCKET_NAME:
            self.stdout.write("Media lie in the bucket and are not in it: back that up as well.")
        self.stdout.write(
            "Keep FIELD_ENCRYPTION_KEYS elsewhere: it is not in the file, and without it no stored "
            "stream key opens."
        )
