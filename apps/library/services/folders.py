"""Folders of the library: made, renamed, emptied and filled."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import Workspace
from apps.library.models import Asset, Folder

MOST_FOLDERS = 200
"""Of one workspace: all of them are shown at once."""


def create_folder(*, workspace: Workspace, name: str) -> Folder:
    """A new, empty folder.

    Raises:
        ValidationError: the name is empty, too long or taken, or there are too many folders.
    """
    name = _checked(name)
    if Folder.objects.filter(workspace=workspace).count() >= MOST_FOLDERS:
        raise ValidationError(
            _("A library has at most %(most)s folders. Delete one that you do not need.")
            % {"most": MOST_FOLDERS}
        )
    try:
        with transaction.atomic():
            return Folder.objects.create(workspace=workspace, name=name)
    except IntegrityError:
        raise _taken(name) from None


def rename_folder(*, folder: Folder, name: str) -> None:
    """Give a folder another name.

    Raises:
        ValidationError: the name is empty, too long or taken.
    """
    folder.name = _checked(name)
    try:
        with transaction.atomic():
            folder.save(update_fields=["name", "updated_at"])
    except IntegrityError:
        raise _taken(folder.name) from None


def delete_folder(*, folder: Folder) -> None:
    """Remove a folder; its files stay in the library, outside of all folders."""
    folder.delete()


def move_assets(
    *, workspace: Workspace, asset_ids: Sequence[uuid.UUID], folder: Folder | None
) -> int:
    """Put files of `workspace` into one of its folders, or outside of all; how many moved."""
    return (
        Asset.objects.filter(workspace=workspace, pk__in=asset_ids, deleted_at__isnull=True)
        .exclude(folder=folder)
        .update(folder=folder, updated_at=timezone.now())
    )


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise ValidationError(_("Enter a name."))
    if len(name) > 120:
        raise ValidationError(_("A name has at most 120 characters."))
    return name


def _taken(name: str) -> ValidationError:
    return ValidationError(_("There is a folder called “%(name)s” already.") % {"name": name})
