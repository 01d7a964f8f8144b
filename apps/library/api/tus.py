"""Resumable uploads: a server of the tus protocol 1.0.0, creation, termination and expiration.

A sender makes an upload (POST), sends pieces in order (PATCH), asks how far it came (HEAD) and may
give up (DELETE). Pieces of 8 MiB suit us: the server keeps each in a file until it is complete.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import http_date
from django.views.decorators.http import require_http_methods

from apps.accounts.access import Caller, current_workspace, require
from apps.accounts.api.door import AUTH_REQUIRED
from apps.accounts.models import Role, User, Workspace
from apps.core.problems import Kind, Problem, response_to
from apps.library import services
from apps.library.access import get_upload_for
from apps.library.models import Asset, Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
PIECE_TYPE = "application/offset+octet-stream"
_READ_BYTES = 1 << 20

LENGTH_WRONG = Kind(
    "upload.length",
    400,
    "`Upload-Length` must be a whole number of bytes.",
    "Send the size of the file.",
)
OFFSET_WRONG = Kind(
    "upload.offset",
    400,
    "`Upload-Offset` must be a whole number of bytes.",
    "Send how far the upload is; HEAD tells it.",
)
TYPE_WRONG = Kind(
    "upload.type",
    415,
    "A piece of a file has another content type.",
    "Send `Content-Type: application/offset+octet-stream`.",
)
VERSION_WRONG = Kind(
    "upload.version", 412, "The version of tus is not ours.", "Send `Tus-Resumable: 1.0.0`."
)
CONFLICT = Kind(
    "upload.conflict",
    409,
    "Sender and server disagree about how much has arrived.",
    "Go on at the `Upload-Offset` of this answer.",
)
BUSY = Kind(
    "upload.busy",
    423,
    "Another request is writing to this upload.",
    "Wait for it, or ask again in a few seconds.",
)
REFUSALS = (
    Kind("upload.empty", 400, "The file is empty.", "Choose another file."),
    Kind(
        "upload.too_large",
        413,
        "The file is larger than this installation accepts.",
        "Split it, or ask the operator.",
    ),
    Kind(
        "upload.quota",
        413,
        "The plan has no room for the file.",
        "Delete files that are not needed.",
    ),
    Kind(
        "upload.longer",
        413,
        "More bytes came than the file was said to have.",
        "Send it again from the start.",
    ),
    Kind(
        "upload.no_space",
        507,
        "The server's disk has no room for the file.",
        "Tell the operator, or try again later.",
    ),
)
"""What the service may refuse."""


@require_http_methods(["OPTIONS", "POST"])
def uploads(request: HttpRequest) -> HttpResponse:
    """POST makes an upload of `Upload-Length` bytes; OPTIONS says what we can do."""
    if request.method == "OPTIONS":
        return what_we_can()
    try:
        user = _signed_in(request)
        return create(request, user, current_workspace(request), by=user, at="library:tus-upload")
    except Problem as problem:
        return with_version(response_to(problem))


@require_http_methods(["OPTIONS", "HEAD", "PATCH", "DELETE"])
def upload(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """HEAD says how far it came, PATCH goes on, DELETE gives up."""
    if request.method == "OPTIONS":
        return what_we_can()
    try:
        return go_on(request, _signed_in(request), upload_id)
    except Problem as problem:
        return with_version(response_to(problem))


def create(
    request: HttpRequest, caller: Caller, workspace: Workspace, *, by: User, at: str
) -> HttpResponse:
    """Make an upload, with its first bytes when they come along.

    `at` names the address under which the sender goes on. Raises `Problem`.
    """
    _require_version(request)
    require(caller, workspace, Role.EDITOR)
    length = _whole(request.headers.get("Upload-Length"))
    if length is None:
        raise Problem(LENGTH_WRONG)
    metadata = _metadata(request.headers.get("Upload-Metadata", ""))
    try:
        made = services.create_upload(
            workspace=workspace, by=by, name=metadata.get("filename", ""), length=length
        )
    except services.UploadRefused as error:
        raise refused(error) from None
    if request.content_type == PIECE_TYPE:
        response = _append(request, made, offset=0)
        response.status_code = 201
    else:
        response = _answer(201, made)
    response["Location"] = reverse(at, args=[made.pk])
    response["X-Asset"] = str(made.asset_id)
    return response


def go_on(request: HttpRequest, caller: Caller, upload_id: uuid.UUID) -> HttpResponse:
    """Tell how far an upload came, take its next bytes, or give it up. Raises `Problem`."""
    _require_version(request)
    found = get_upload_for(caller, upload_id)
    if request.method == "HEAD":
        response = _answer(200, found, offset=services.received_bytes(found))
        response["Upload-Length"] = str(found.length)
        return response
    if request.method == "DELETE":
        services.discard_upload(upload=found)
        return with_version(HttpResponse(status=204))
    # Asking again about a finished upload carries no body, and so may carry no type.
    empty = not request.content_type and request.META.get("CONTENT_LENGTH") in (None, "", "0")
    if request.content_type != PIECE_TYPE and not empty:
        raise Problem(TYPE_WRONG, f"A piece must have the content type {PIECE_TYPE}.")
    offset = _whole(request.headers.get("Upload-Offset"))
    if offset is None:
        raise Problem(OFFSET_WRONG)
    return _append(request, found, offset=offset)


def what_we_can() -> HttpResponse:
    """Version, extensions and limit."""
    response = with_version(HttpResponse(status=204))
    response["Tus-Version"] = VERSION
    response["Tus-Extension"] = EXTENSIONS
    response["Tus-Max-Size"] = str(settings.UPLOAD_MAX_BYTES)
    return response


def refused(error: services.UploadRefused) -> Problem:
    """What the service refused, as a problem of its code."""
    kind = next((kind for kind in REFUSALS if kind.code == error.code), None)
    if kind is None:
        raise LookupError(f"The problem code {error.code} is not documented.") from error
    return Problem(kind, str(error))


def _append(request: HttpRequest, upload: Upload, *, offset: int) -> HttpResponse:
    try:
        reached = services.append_to_upload(upload=upload, offset=offset, pieces=_pieces(request))
    except services.UploadBusy:
        raise Problem(BUSY) from None
    except services.UploadConflict as conflict:
        here = {"Upload-Offset": str(conflict.offset)}
        raise Problem(CONFLICT, str(conflict), headers=here) from None
    except services.UploadRefused as error:
        raise refused(error) from None
    except (Upload.DoesNotExist, Asset.DoesNotExist) as error:
        raise Http404("There is no such upload.") from error
    return _answer(204, upload, offset=reached)


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    while piece := request.read(_READ_BYTES):
        yield piece


def _signed_in(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Problem(AUTH_REQUIRED, "Sign in again; the upload goes on where it stopped.")
    return request.user


def _require_version(request: HttpRequest) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise Problem(VERSION_WRONG, headers={"Tus-Version": VERSION})


def _answer(status: int, upload: Upload, *, offset: int = 0) -> HttpResponse:
    response = with_version(HttpResponse(status=status))
    response["Upload-Offset"] = str(offset)
    response["Upload-Expires"] = http_date(upload.expires_at.timestamp())
    return response


def with_version(response: HttpResponse) -> HttpResponse:
    """The same answer with what every answer to a sender says."""
    response["Tus-Resumable"] = VERSION
    response["Cache-Control"] = "no-store"
    return response


def _whole(value: str | None) -> int | None:
    """A count of bytes; digits only, since int() takes signs, spaces and underscores too."""
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 18:
        return None
    return int(value)


def _metadata(header: str) -> dict[str, str]:
    """Pairs of a key and base64 text; what cannot be read is left out."""
    found: dict[str, str] = {}
    for pair in header.split(",")[:16]:
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            continue
    return found
