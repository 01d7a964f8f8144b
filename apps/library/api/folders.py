"""Folders of the library: listed, made, renamed and removed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja.responses import Status
from pydantic import Field

from apps.accounts.api.door import Endpoints, caller
from apps.accounts.models import Role, Scope
from apps.core.etags import unless_changed
from apps.core.problems import CHANGED, INVALID, Fault, Problem
from apps.core.rest import Asked, Name, Told, rendered
from apps.library import selectors, services
from apps.library.access import get_folder_for
from apps.library.models import Folder

endpoints = Endpoints(tags=["library"])


class FolderTold(Told):
    """A folder."""

    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime


class FolderList(Told):
    """All folders of the library, by name."""

    items: list[FolderTold]


class FolderWish(Asked):
    """The name of a folder; no two of a library have the same."""

    name: Annotated[Name, Field(min_length=1, max_length=120, examples=["Rain"])]


@endpoints.read("/folders", response=FolderList)
def list_folders(request: HttpRequest) -> FolderList:
    """List the folders of the library; there are never so many that pages are needed."""
    found = selectors.folders_of(caller(request).workspace)
    return FolderList(items=[folder_told(folder) for folder in found])


@endpoints.change("POST", "/folders", Scope.LIBRARY, response={201: FolderTold})
def create_folder(request: HttpRequest, response: HttpResponse, body: FolderWish) -> Status[Any]:
    """Make a folder."""
    try:
        folder = services.create_folder(workspace=caller(request).workspace, name=body.name)
    except ValidationError as error:
        raise _refused(error) from None
    response["Location"] = reverse("api:get_folder", args=[folder.pk])
    return Status(201, folder_told(folder))


@endpoints.read("/folders/{uuid:folder_id}", response=FolderTold)
def get_folder(request: HttpRequest, folder_id: UUID) -> FolderTold:
    """Read a folder."""
    return folder_told(get_folder_for(caller(request), folder_id))


@endpoints.change(
    "PATCH", "/folders/{uuid:folder_id}", Scope.LIBRARY, response=FolderTold, refusals=[CHANGED]
)
def rename_folder(request: HttpRequest, folder_id: UUID, body: FolderWish) -> FolderTold:
    """Give a folder another name."""
    folder = get_folder_for(caller(request), folder_id, Role.EDITOR)
    with unless_changed(request, folder, _represent):
        try:
            services.rename_folder(folder=folder, name=body.name)
        except ValidationError as error:
            raise _refused(error) from None
    return folder_told(folder)


@endpoints.change(
    "DELETE",
    "/folders/{uuid:folder_id}",
    Scope.LIBRARY,
    response={204: None},
    refusals=[CHANGED],
)
def delete_folder(request: HttpRequest, folder_id: UUID) -> Status[None]:
    """Remove a folder.

    Its files stay in the library.
    """
    folder = get_folder_for(caller(request), folder_id, Role.EDITOR)
    with unless_changed(request, folder, _represent):
        services.delete_folder(folder=folder)
    return Status(204, None)


def folder_told(folder: Folder) -> FolderTold:
    """A folder as the API tells it."""
    return FolderTold.model_validate(
        {
            "id": folder.pk,
            "name": folder.name,
            "created_at": folder.created_at,
            "updated_at": folder.updated_at,
        }
    )


def _refused(error: ValidationError) -> Problem:
    return Problem(INVALID, faults=[Fault(text, pointer="/name") for text in error.messages])


def _represent(folder: Folder) -> bytes:
    return rendered(folder_told(folder))
