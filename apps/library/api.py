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
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.http import http_date
from django.views.decorators.http import require_http_methods

from apps.accounts.access import current_workspace, require
from apps.accounts.models import Role, User
from apps.library import services
from apps.library.access import get_upload_for
from apps.library.models import Asset, Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
_PIECE_TYPE = "application/offset+octet-stream"
_READ_BYTES = 1 << 20


@require_http_methods(["OPTIONS", "POST"])
def uploads(request: HttpRequest) -> HttpResponse:
    """POST makes an upload of `Upload-Length` bytes; OPTIONS says what we can do."""
    if request.method == "OPTIONS":
        return _what_we_can()
    user = _signed_in(request)
    if isinstance(user, HttpResponse):
        return user
    if (refusal := _wrong_version(request)) is not None:
        return refusal
    workspace = current_workspace(request)
    require(user, workspace, Role.EDITOR)
    length = _whole(request.headers.get("Upload-Length"))
    if length is None:
        return _problem(400, "upload.length", "Upload-Length must be a whole number of bytes.")
    metadata = _metadata(request.headers.get("Upload-Metadata", ""))
    try:
        upload = services.create_upload(
            workspace=workspace, by=user, name=metadata.get("filename", ""), length=length
        )
    except services.UploadRefused as error:
        return _problem(error.status, error.code, str(error))
    if request.content_type == _PIECE_TYPE:
        response = _append(request, upload, offset=0)
        if response.status_code != 204:
            return response
        response.status_code = 201
    else:
        response = _answer(201, upload)
    response["Location"] = reverse("library:tus-upload", args=[upload.pk])
    response["X-Asset"] = str(upload.asset_id)
    return response


@require_http_methods(["OPTIONS", "HEAD", "PATCH", "DELETE"])
def upload(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """HEAD says how far it came, PATCH goes on, DELETE gives up."""
    if request.method == "OPTIONS":
        return _what_we_can()
    user = _signed_in(request)
    if isinstance(user, HttpResponse):
        return user
    if (refusal := _wrong_version(request)) is not None:
        return refusal
    found = get_upload_for(user, upload_id)
    if request.method == "HEAD":
        response = _answer(200, found, offset=services.received_bytes(found))
        response["Upload-Length"] = str(found.length)
        return response
    if request.method == "DELETE":
        services.discard_upload(upload=found)
        return _with_version(HttpResponse(status=204))
    # Asking again about a finished upload carries no body, and so may carry no type.
    empty = not request.content_type and request.META.get("CONTENT_LENGTH") in (None, "", "0")
    if request.content_type != _PIECE_TYPE and not empty:
        return _problem(415, "upload.type", f"A piece must have the content type {_PIECE_TYPE}.")
    offset = _whole(request.headers.get("Upload-Offset"))
    if offset is None:
        return _problem(400, "upload.offset", "Upload-Offset must be a whole number of bytes.")
    return _append(request, found, offset=offset)


def _append(request: HttpRequest, upload: Upload, *, offset: int) -> HttpResponse:
    try:
        reached = services.append_to_upload(upload=upload, offset=offset, pieces=_pieces(request))
    except services.UploadBusy:
        return _problem(423, "upload.busy", "Another request is writing to this upload.")
    except services.UploadConflict as conflict:
        response = _problem(409, "upload.conflict", str(conflict))
        response["Upload-Offset"] = str(conflict.offset)
        return response
    except services.UploadRefused as error:
        return _problem(error.status, error.code, str(error))
    except (Upload.DoesNotExist, Asset.DoesNotExist) as error:  # Given up meanwhile.
        raise Http404("There is no such upload.") from error
    return _answer(204, upload, offset=reached)


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    while piece := request.read(_READ_BYTES):
        yield piece


def _signed_in(request: HttpRequest) -> User | HttpResponse:
    if isinstance(request.user, User):
        return request.user
    return _problem(401, "auth.required", "Sign in again; the upload goes on where it stopped.")


def _wrong_version(request: HttpRequest) -> HttpResponse | None:
    if request.headers.get("Tus-Resumable") == VERSION:
        return None
    response = _problem(412, "upload.version", f"Say Tus-Resumable: {VERSION}.")
    response["Tus-Version"] = VERSION
    return response


def _what_we_can() -> HttpResponse:
    response = _with_version(HttpResponse(status=204))
    response["Tus-Version"] = VERSION
    response["Tus-Extension"] = EXTENSIONS
    response["Tus-Max-Size"] = str(settings.UPLOAD_MAX_BYTES)
    return response


def _answer(status: int, upload: Upload, *, offset: int = 0) -> HttpResponse:
    response = _with_version(HttpResponse(status=status))
    response["Upload-Offset"] = str(offset)
    response["Upload-Expires"] = http_date(upload.expires_at.timestamp())
    return response


def _problem(status: int, code: str, text: str) -> HttpResponse:
    body = {"type": "about:blank", "status": status, "code": code, "title": text}
    response = JsonResponse(body, status=status, content_type="application/problem+json")
    return _with_version(response)


def _with_version(response: HttpResponse) -> HttpResponse:
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
