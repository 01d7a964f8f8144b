"""Files of the library: listed, renamed, prepared, deleted and brought back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from ninja import File
from ninja.files import UploadedFile
from ninja.responses import Status
from pydantic import Field

from apps.accounts.api.door import Endpoints, caller
from apps.accounts.models import Role, Scope
from apps.billing.entitlements import entitlements_for
from apps.core.cursors import newest_first
from apps.core.etags import unless_changed
from apps.core.problems import CHANGED, INVALID, NOT_FOUND, Fault, Kind, Problem
from apps.core.rest import Asked, Cursor, Limit, Line, Name, Page, Search, Told, page_of, rendered
from apps.library import models, selectors, services
from apps.library.access import get_asset_for, get_folder_for
from apps.library.api import tus
from apps.library.status import asset_status, rendition_status

endpoints = Endpoints(tags=["library"])

IN_USE = Kind(
    "asset.in_use",
    409,
    "The file is needed.",
    "`detail` says by what. Stop that, or take the file out of its playlist.",
)
TOO_LATE = Kind(
    "asset.too_late",
    409,
    "The deleted file cannot come back any more.",
    "Upload it again.",
)
NOTHING_FAILED = Kind(
    "asset.nothing_failed",
    409,
    "There is nothing to try again.",
    "Only what failed can be tried again; look at the file's state.",
)

NOT_READY = Kind(
    "asset.not_ready",
    409,
    "There is nothing to prepare again yet.",
    "Wait until the file is ready; what failed is tried again with `retry`.",
)

State = Literal["uploading", "checking", "ready", "failed"]
TrackState = Literal["queued", "running", "ready", "failed"]

_UPLOAD_KINDS = [kind for kind in tus.REFUSALS if kind.code != "upload.longer"]


class RenditionTold(Told):
    """A file in one house format."""

    id: UUID
    profile: str
    state: TrackState
    progress: int = Field(description="Per cent.")
    label: str
    text: str
    advice: str
    failure_code: str = Field(description="See the reference of errors; empty when all is well.")


class AssetTold(Told):
    """A file, and what was made of it."""

    id: UUID
    title: str
    original_name: str = Field(description="As the sender called it.")
    state: State
    kind: Literal["", "video", "audio", "picture"] = Field(
        description="Empty until it was checked."
    )
    label: str
    text: str
    advice: str
    percent: int | None = Field(description="Of what goes on now, when it can be told.")
    failure_code: str
    folder_id: UUID | None = Field(description="The folder it lies in; null outside of all.")
    size_bytes: int
    duration_ms: int | None
    width: int | None
    height: int | None
    renditions: list[RenditionTold]
    created_at: datetime
    updated_at: datetime


class AssetPage(Page[AssetTold]):
    """Some files."""


class RenditionList(Told):
    """All formats of a file."""

    items: list[RenditionTold]


class AssetChange(Asked):
    """A new name, another folder, or both. What is left out stays as it is."""

    title: Annotated[Name, Field(min_length=1, max_length=200, examples=["Summer mix"])] | None = (
        None
    )
    folder_id: UUID | None = Field(default=None, description="Null takes it out of its folder.")


class LibraryTold(Told):
    """The sums of the library."""

    files: int
    playable_ms: int = Field(description="Of all files that were checked.")
    source_bytes: int = Field(description="Deleted files count until they cannot come back.")
    prepared_bytes: int
    allowed_bytes: int = Field(description="What the plan holds.")


class RenditionWish(Asked):
    """A house format."""

    profile: Annotated[Line, Field(max_length=64, examples=["1080p30-economy@1"])]


@endpoints.read("/library", response=LibraryTold)
def get_library(request: HttpRequest) -> LibraryTold:
    """Read how much the library holds, and how much it may hold."""
    workspace = caller(request).workspace
    sums = selectors.totals.of(workspace.pk)
    return LibraryTold(
        files=sums.files,
        playable_ms=sums.playable_ms,
        source_bytes=sums.source_bytes,
        prepared_bytes=sums.prepared_bytes,
        allowed_bytes=entitlements_for(workspace).storage_bytes,
    )


@endpoints.read("/assets", response=AssetPage, refusals=[NOT_FOUND])
def list_assets(
    request: HttpRequest,
    cursor: Cursor = "",
    limit: Limit = 50,
    q: Search = "",
    state: State | None = None,
    kind: Literal["video", "audio", "picture"] | None = None,
    folder_id: UUID | None = None,
) -> AssetPage:
    """List the files of the workspace, newest first.

    Deleted files are left out.
    """
    found = selectors.assets_of(caller(request).workspace)
    for word in q.split()[:8]:
        found = found.filter(Q(title__icontains=word) | Q(original_name__icontains=word))
    if state:
        found = found.filter(state=state)
    if kind:
        found = found.filter(kind=kind)
    if folder_id:
        found = found.filter(folder=get_folder_for(caller(request), folder_id))
    return page_of(newest_first(found, cursor=cursor, limit=limit), asset_told, AssetPage)


@endpoints.change(
    "POST",
    "/assets",
    Scope.LIBRARY,
    response={201: AssetTold},
    refusals=_UPLOAD_KINDS,
)
def upload_asset(
    request: HttpRequest, response: HttpResponse, file: File[UploadedFile]
) -> Status[Any]:
    """Upload a file in one piece.

    For small files and simple programs. Large ones go to `/uploads`, where they can be resumed.
    """
    token = caller(request)
    try:
        asset = services.receive_file(workspace=token.workspace, by=token.created_by, file=file)
    except services.UploadRefused as error:
        raise tus.refused(error) from None
    response["Location"] = reverse("api:get_asset", args=[asset.pk])
    return Status(201, _told(asset))


@endpoints.read("/assets/{uuid:asset_id}", response=AssetTold)
def get_asset(request: HttpRequest, asset_id: UUID) -> AssetTold:
    """Read a file."""
    return _told(get_asset_for(caller(request), asset_id))


@endpoints.change(
    "PATCH",
    "/assets/{uuid:asset_id}",
    Scope.LIBRARY,
    response=AssetTold,
    refusals=[CHANGED],
)
def change_asset(request: HttpRequest, asset_id: UUID, body: AssetChange) -> AssetTold:
    """Give a file another name, or put it into another folder."""
    token = caller(request)
    found = get_asset_for(token, asset_id, Role.EDITOR)
    to = get_folder_for(token, body.folder_id, Role.EDITOR) if body.folder_id else None
    if to is not None and to.workspace_id != found.workspace_id:
        raise Http404("There is no such folder.")
    with unless_changed(request, found, _represent):
        if body.title is not None:
            services.rename_asset(asset=found, title=body.title)
        if "folder_id" in body.model_fields_set:
            services.move_assets(workspace=found.workspace, asset_ids=[found.pk], folder=to)
    return _told(found)


@endpoints.change(
    "DELETE",
    "/assets/{uuid:asset_id}",
    Scope.LIBRARY,
    response={204: None},
    refusals=[IN_USE, CHANGED],
)
def delete_asset(request: HttpRequest, asset_id: UUID) -> Status[None]:
    """Delete a file that nothing on air needs.

    It can be brought back for 15 minutes.
    """
    token = caller(request)
    found = get_asset_for(token, asset_id, Role.EDITOR)
    with unless_changed(request, found, _represent):
        try:
            services.delete_asset(asset=found, by=token.created_by)
        except services.AssetInUse as error:
            raise Problem(IN_USE, str(error)) from None
    return Status(204, None)


@endpoints.change(
    "POST",
    "/assets/{uuid:asset_id}/restore",
    Scope.LIBRARY,
    response=AssetTold,
    refusals=[TOO_LATE],
)
def restore_asset(request: HttpRequest, asset_id: UUID) -> AssetTold:
    """Bring a deleted file back."""
    found = get_asset_for(caller(request), asset_id, Role.EDITOR, deleted=True)
    try:
        services.restore_asset(asset=found)
    except ValidationError as error:
        raise Problem(TOO_LATE, " ".join(error.messages)) from None
    return _told(found)


@endpoints.change(
    "POST",
    "/assets/{uuid:asset_id}/retry",
    Scope.LIBRARY,
    response={202: AssetTold},
    refusals=[NOTHING_FAILED],
)
def retry_asset(request: HttpRequest, asset_id: UUID) -> Status[Any]:
    """Try again what failed: the check, or formats that could not be prepared."""
    found = get_asset_for(caller(request), asset_id, Role.EDITOR)
    if not services.retry_asset(asset=found):
        raise Problem(NOTHING_FAILED)
    return Status(202, _told(found))


@endpoints.change(
    "POST",
    "/assets/{uuid:asset_id}/prepare-again",
    Scope.LIBRARY,
    response={202: AssetTold},
    refusals=[NOT_READY],
)
def prepare_asset_again(request: HttpRequest, asset_id: UUID) -> Status[Any]:
    """Prepare all formats of a file anew, for when what was prepared is damaged.

    What is on air goes on; streams take up the new tracks with their next item.
    """
    found = get_asset_for(caller(request), asset_id, Role.EDITOR)
    if not services.prepare_again(asset=found):
        raise Problem(NOT_READY)
    return Status(202, _told(found))


@endpoints.read("/assets/{uuid:asset_id}/renditions", response=RenditionList)
def list_renditions(request: HttpRequest, asset_id: UUID) -> RenditionList:
    """List the formats that a file was asked to be prepared in."""
    return RenditionList(items=_told(get_asset_for(caller(request), asset_id)).renditions)


@endpoints.change(
    "POST",
    "/assets/{uuid:asset_id}/renditions",
    Scope.LIBRARY,
    response={202: RenditionTold},
)
def request_rendition(request: HttpRequest, asset_id: UUID, body: RenditionWish) -> Status[Any]:
    """Ask for a file in a house format.

    Answers before it is prepared. Asking again for one that failed tries it again.
    """
    found = get_asset_for(caller(request), asset_id, Role.EDITOR)
    try:
        rendition = services.request_rendition(asset=found, profile=body.profile)
    except ValidationError as error:
        faults = [Fault(text, pointer="/profile") for text in error.messages]
        raise Problem(INVALID, faults=faults) from None
    return Status(202, rendition_told(rendition))


# -- tus ----------------------------------------------------------------------------------------

_TUS_HEADER = {
    "in": "header",
    "name": "Tus-Resumable",
    "required": True,
    "schema": {"type": "string", "const": "1.0.0"},
}
_TUS_KINDS = [*_UPLOAD_KINDS, tus.LENGTH_WRONG, tus.VERSION_WRONG]
_OFFSET = {
    "Upload-Offset": {"description": "Bytes that have arrived.", "schema": {"type": "integer"}}
}
_PIECE = {
    "required": False,
    "content": {tus.PIECE_TYPE: {"schema": {"type": "string", "format": "binary"}}},
}


def _header(name: str, about: str, *, required: bool = True) -> dict[str, Any]:
    kind = "integer" if name != "Upload-Metadata" else "string"
    schema = {"type": kind} | ({"minimum": 0} if kind == "integer" else {})
    return {
        "in": "header",
        "name": name,
        "required": required,
        "description": about,
        "schema": schema,
    }


@endpoints.api_operation(["OPTIONS"], "/uploads", include_in_schema=False)
def upload_options(request: HttpRequest) -> HttpResponseBase:
    """What this server can do; senders ask before they say who they are."""
    return tus.what_we_can()


@endpoints.change(
    "POST",
    "/uploads",
    Scope.LIBRARY,
    response={201: None},
    refusals=_TUS_KINDS,
    openapi_extra={
        "parameters": [
            _TUS_HEADER,
            _header("Upload-Length", "Bytes of the whole file."),
            _header("Upload-Metadata", "`filename` and its value in base64.", required=False),
        ],
        "requestBody": _PIECE,
        "responses": {
            201: {
                "headers": {
                    "Location": {
                        "description": "Where the pieces go.",
                        "schema": {"type": "string"},
                    },
                    "X-Asset": {"description": "Id of the file.", "schema": {"type": "string"}},
                    **_OFFSET,
                }
            }
        },
    },
)
def create_upload(request: HttpRequest) -> HttpResponseBase:
    """Begin an upload that can be resumed.

    A server of tus 1.0.0; the extensions are creation, creation-with-upload, termination and
    expiration.
    """
    token = caller(request)
    return tus.create(
        request, token, token.workspace, by=token.created_by, at="api:append_to_upload"
    )


@endpoints.change(
    "HEAD",
    "/uploads/{uuid:upload_id}",
    Scope.LIBRARY,
    response={200: None},
    refusals=[tus.VERSION_WRONG],
    openapi_extra={"parameters": [_TUS_HEADER], "responses": {200: {"headers": _OFFSET}}},
)
def get_upload_offset(request: HttpRequest, upload_id: UUID) -> HttpResponseBase:
    """Ask how far an upload came."""
    return tus.go_on(request, caller(request), upload_id)


@endpoints.change(
    "PATCH",
    "/uploads/{uuid:upload_id}",
    Scope.LIBRARY,
    response={204: None},
    url_name="append_to_upload",
    refusals=[
        *(kind for kind in tus.REFUSALS if kind.code in ("upload.longer", "upload.no_space")),
        tus.OFFSET_WRONG,
        tus.TYPE_WRONG,
        tus.VERSION_WRONG,
        tus.CONFLICT,
        tus.BUSY,
    ],
    openapi_extra={
        "parameters": [_TUS_HEADER, _header("Upload-Offset", "Where this piece begins.")],
        "requestBody": _PIECE,
        "responses": {204: {"headers": _OFFSET}},
    },
)
def append_to_upload(request: HttpRequest, upload_id: UUID) -> HttpResponseBase:
    """Send the next piece of an upload."""
    return tus.go_on(request, caller(request), upload_id)


@endpoints.change(
    "DELETE",
    "/uploads/{uuid:upload_id}",
    Scope.LIBRARY,
    response={204: None},
    refusals=[tus.VERSION_WRONG],
    openapi_extra={"parameters": [_TUS_HEADER]},
)
def discard_upload(request: HttpRequest, upload_id: UUID) -> HttpResponseBase:
    """Give an upload up."""
    return tus.go_on(request, caller(request), upload_id)


# -- how rows are told --------------------------------------------------------------------------


def rendition_told(row: models.Rendition) -> RenditionTold:
    """A rendition; reads its tracks."""
    now = rendition_status(row)
    failed = row.failure
    return RenditionTold.model_validate(
        {
            "id": row.pk,
            "profile": row.profile,
            "state": row.state,
            "progress": row.progress,
            "label": now.label,
            "text": now.text,
            "advice": now.advice,
            "failure_code": failed.failure_code if failed else "",
        }
    )


def asset_told(row: models.Asset) -> AssetTold:
    """An asset that carries its renditions and its upload."""
    now = asset_status(row)
    return AssetTold.model_validate(
        {
            "id": row.pk,
            "title": row.title,
            "original_name": row.original_name,
            "state": row.state,
            "kind": row.kind,
            "label": now.label,
            "text": now.text,
            "advice": now.advice,
            "percent": now.percent,
            "failure_code": row.failure_code,
            "folder_id": row.folder_id,
            "size_bytes": row.size_bytes,
            "duration_ms": row.duration_ms,
            "width": row.width,
            "height": row.height,
            "renditions": [rendition_told(rendition) for rendition in row.renditions.all()],
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
    )


def _told(asset: models.Asset) -> AssetTold:
    rows = models.Asset.objects.filter(pk=asset.pk)
    return asset_told(selectors.with_renditions(rows).get())


def _represent(asset: models.Asset) -> bytes:
    return rendered(_told(asset))
