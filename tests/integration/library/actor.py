"""What a web process does, for tests that need it in a process of its own."""

# ruff: noqa: E402 - Django has to be set up before its models are imported

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.core.management import call_command

from apps.accounts.services import create_user
from apps.library import services, tasks


def main(action: str, *arguments: str) -> None:
    if action == "receive":
        call_command("migrate", verbosity=0)
        path = Path(arguments[0])
        user = create_user(email="alice@example.org", password="correct horse")
        with path.open("rb") as file:
            services.receive_file(
                workspace=user.workspaces.get(),
                by=user,
                file=UploadedFile(File(file), name=path.name, size=path.stat().st_size),
            )
    else:
        tasks.sweep.apply(throw=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
