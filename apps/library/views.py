"""Pages of the library."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import current_workspace, require
from apps.accounts.models import Role, User, Workspace
from apps.billing.entitlements import entitlements_for
from apps.library import selectors, services
from apps.library.access import get_asset_for, get_folder_for, open_asset_for
from apps.library.forms import FolderForm, FormatForm, RenameForm
from apps.library.models import Asset, Folder
from apps.library.status import Status, asset_status, rendition_status

ASKED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Row:
    """An asset beside what is said about it."""

    asset: Asset
    status: Status


@login_required
@require_GET
def library(request: HttpRequest) -> HttpResponse:
    """The files of a workspace, or of one of its folders, newest first."""
    workspace = current_workspace(request)
    role = require(request.user, workspace)
    search = request.GET.get("q", "").strip()[:100]
    folders = selectors.folders_of(workspace)
    folder = _folder_among(folders, request.GET.get("folder", ""))
    page = selectors.asset_page(
        workspace,
        search=search,
        folder=folder,
        before=request.GET.get("before", ""),
        after=request.GET.get("after", ""),
    )
    rows = _rows(page.assets)
    return render(
        request,
        "library/library.html",
        {
            "workspace": workspace,
            "may_edit": role >= Role.EDITOR,
            "rows": rows,
            "search": search,
            "folder": folder,
            "folders": folders,
            "storage": _storage(workspace),
            "older_url": _page_url(workspace, search, folder, before=page.older),
            "newer_url": _page_url(workspace, search, folder, after=page.newer),
            "undo": _undoable(request, workspace, role),
            "upload_limit": settings.UPLOAD_MAX_BYTES,
            **_poll(workspace, rows),
        },
    )


@login_required
@require_GET
def progress(request: HttpRequest) -> HttpResponse:
    """Fragments of the rows named in `ids` that have news; 304 when there are none."""
    workspace = current_workspace(request)
    role = require(request.user, workspace)
    ids = _ids(request.GET.get("ids", ""))
    rows = _rows(selectors.assets_of(workspace).filter(pk__in=ids))
    etag = _etag(rows)
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        response = unchanged
    else:
        context = _poll(workspace, rows)
        response = render(
            request,
            "library/_progress.html",
            {
                "workspace": workspace,
                "may_edit": role >= Role.EDITOR,
                "rows": rows,
                "on_page": "asset" if request.GET.get("page") == "asset" else "list",
                **context,
            },
        )
        if request.GET.get("page") == "asset" and not context["busy_ids"]:
            response["HX-Refresh"] = "true"
    response["ETag"] = etag
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_POST
def upload_form(request: HttpRequest) -> HttpResponse:
    """Files sent by a plain form, for browsers without our script."""
    user = request.user
    workspace = current_workspace(request)
    require(user, workspace, Role.EDITOR)
    assert isinstance(user, User)  # noqa: S101 - `require` let nobody else through
    files = request.FILES.getlist("file")
    if not files:
        messages.error(request, _("Choose a file first."))
    for file in files:
        name = services.displayed_name(file.name or "")
        try:
            services.receive_file(workspace=workspace, by=user, file=file)
        except services.UploadRefused as error:
            messages.error(request, f"{name}: {error}")
        else:
            messages.success(request, _("%(name)s was uploaded.") % {"name": name})
    return redirect(_library_url(workspace))


@login_required
@require_GET
def asset(request: HttpRequest, asset_id: uuid.UUID) -> HttpResponse:
    """What a file is, and what was made of it."""
    found, role = open_asset_for(request.user, asset_id)
    selectors.load_renditions(found)
    rows = _rows([found])
    prepared = found.probe.get("prepared", {})
    return render(
        request,
        "library/asset.html",
        {
            "workspace": found.workspace,
            "may_edit": role >= Role.EDITOR,
            "asset": found,
            "row": rows[0],
            "status": rows[0].status,
            "renditions": [
                {
                    "rendition": rendition,
                    "status": rendition_status(rendition),
                    "report": prepared.get(rendition.profile),
                    "size_bytes": rendition.video.size_bytes + rendition.audio.size_bytes,
                }
                for rendition in found.renditions.all()
            ],
            "format_form": FormatForm(),
            **_poll(found.workspace, rows),
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def rename(request: HttpRequest, asset_id: uuid.UUID) -> HttpResponse:
    """Give a file another name."""
    found = get_asset_for(request.user, asset_id, Role.EDITOR)
    form = RenameForm(request.POST or None, initial={"title": found.title})
    if request.method == "POST" and form.is_valid():
        services.rename_asset(asset=found, title=form.cleaned_data["title"])
        messages.success(request, _("The new name is saved."))
        return redirect(_back(request, found))
    return render(
        request,
        _whole_or_dialog(request, "library/rename.html", "library/_rename_dialog.html"),
        {"workspace": found.workspace, "asset": found, "form": form, "back": _back(request, found)},
    )


@login_required
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, asset_id: uuid.UUID) -> HttpResponse:
    """Ask, then delete; what is used cannot be deleted."""
    found = get_asset_for(request.user, asset_id, Role.EDITOR)
    uses = services.uses_of(found)
    if request.method == "POST" and not uses:
        try:
            services.delete_asset(asset=found, by=_user(request))
        except services.AssetInUse as error:
            uses = list(error.uses)
        else:
            return redirect(f"{_library_url(found.workspace)}&undo={found.pk}")
    return render(
        request,
        _whole_or_dialog(request, "library/delete.html", "library/_delete_dialog.html"),
        {"workspace": found.workspace, "asset": found, "uses": uses},
        status=409 if request.method == "POST" else 200,
    )


@login_required
@require_POST
def restore(request: HttpRequest, asset_id: uuid.UUID) -> HttpResponse:
    """Undo a deletion."""
    found = get_asset_for(request.user, asset_id, Role.EDITOR, deleted=True)
    try:
        services.restore_asset(asset=found)
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        messages.success(request, _("%(title)s is back.") % {"title": found.title})
    return redirect(_library_url(found.workspace))


@login_required
@require_POST
def delete_many(request: HttpRequest) -> HttpResponse:
    """Delete the chosen files, and offer to undo it; what is used stays, and is named."""
    workspace = current_workspace(request)
    chosen = _chosen(request, workspace)
    gone, kept = [], []
    for found in chosen:
        try:
            services.delete_asset(asset=found, by=_user(request))
        except services.AssetInUse:
            kept.append(found.title)
        else:
            gone.append(str(found.pk))
    if kept:
        names = ", ".join(f"“{title}”" for title in kept[:3])
        messages.warning(
            request,
            ngettext(
                "%(count)s file is in use and stays: %(names)s.",
                "%(count)s files are in use and stay, such as %(names)s.",
                len(kept),
            )
            % {"count": len(kept), "names": names},
        )
    if not chosen:
        messages.info(request, _("Choose at least one file first."))
    return redirect(_library_url(workspace) + (f"&undo={','.join(gone)}" if gone else ""))


@login_required
@require_POST
def restore_many(request: HttpRequest) -> HttpResponse:
    """Undo the deletion of several files."""
    workspace = current_workspace(request)
    restored, late = 0, 0
    for found in _chosen(request, workspace, deleted=True):
        try:
            services.restore_asset(asset=found)
        except ValidationError:
            late += 1
        else:
            restored += 1
    if restored:
        messages.success(
            request,
            ngettext("%(count)s file is back.", "%(count)s files are back.", restored)
            % {"count": restored},
        )
    if late:
        messages.error(request, _("It is too late to bring this file back."))
    return redirect(_library_url(workspace))


@login_required
@require_POST
def move_many(request: HttpRequest) -> HttpResponse:
    """Put the chosen files into a folder, or take them out of theirs."""
    workspace = current_workspace(request)
    chosen = _chosen(request, workspace)
    to = _folder_among(selectors.folders_of(workspace), request.POST.get("to", ""))
    if request.POST.get("to") and to is None:
        raise Http404("There is no such folder.")
    services.move_assets(workspace=workspace, asset_ids=[one.pk for one in chosen], folder=to)
    if not chosen:
        messages.info(request, _("Choose at least one file first."))
    else:
        messages.success(
            request,
            ngettext(
                "%(count)s file is now in %(place)s.",
                "%(count)s files are now in %(place)s.",
                len(chosen),
            )
            % {"count": len(chosen), "place": f"“{to.name}”" if to else _("no folder")},
        )
    return redirect(_library_url(workspace, to))


@login_required
@require_http_methods(["GET", "POST"])
def folder_new(request: HttpRequest) -> HttpResponse:
    """A form for a new folder."""
    workspace = current_workspace(request)
    require(request.user, workspace, Role.EDITOR)
    form = FolderForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_folder(workspace=workspace, name=form.cleaned_data["name"])
        except ValidationError as error:
            form.add_error("name", error)
        else:
            return redirect(_library_url(workspace, made))
    return _folder_form(request, form, workspace, None)


@login_required
@require_http_methods(["GET", "POST"])
def folder_rename(request: HttpRequest, folder_id: uuid.UUID) -> HttpResponse:
    """Give a folder another name."""
    folder = get_folder_for(request.user, folder_id, Role.EDITOR)
    form = FolderForm(request.POST or None, initial={"name": folder.name})
    if request.method == "POST" and form.is_valid():
        try:
            services.rename_folder(folder=folder, name=form.cleaned_data["name"])
        except ValidationError as error:
            form.add_error("name", error)
        else:
            messages.success(request, _("The new name is saved."))
            return redirect(_library_url(folder.workspace, folder))
    return _folder_form(request, form, folder.workspace, folder)


def _folder_form(
    request: HttpRequest, form: FolderForm, workspace: Workspace, folder: Folder | None
) -> HttpResponse:
    return render(
        request,
        _whole_or_dialog(request, "library/folder_form.html", "library/_folder_dialog.html"),
        {
            "workspace": workspace,
            "folder": folder,
            "form": form,
            "back": _library_url(workspace, folder),
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_http_methods(["GET", "POST"])
def folder_delete(request: HttpRequest, folder_id: uuid.UUID) -> HttpResponse:
    """Ask, then remove the folder and leave its files in the library."""
    folder = get_folder_for(request.user, folder_id, Role.EDITOR)
    if request.method == "POST":
        services.delete_folder(folder=folder)
        messages.success(
            request,
            _("The folder “%(name)s” was removed. Its files are still here.")
            % {"name": folder.name},
        )
        return redirect(_library_url(folder.workspace))
    return render(
        request,
        _whole_or_dialog(
            request, "library/folder_delete.html", "library/_folder_delete_dialog.html"
        ),
        {
            "workspace": folder.workspace,
            "folder": folder,
            "files": selectors.files_in(folder),
            "back": _library_url(folder.workspace, folder),
        },
    )


@login_required
@require_POST
def retry(request: HttpRequest, asset_id: uuid.UUID) -> HttpResponse:
    """Try again what failed."""
    found = get_asset_for(request.user, asset_id, Role.EDITOR)
    if services.retry_asset(asset=found):
        messages.success(request, _("We try again."))
    else:
        messages.info(request, _("There was nothing to try again."))
    return redirect(found)


@login_required
@require_POST
def prepare(request: HttpRequest, asset_id: uuid.UUID) -> HttpResponse:
    """Prepare a file in another format."""
    found = get_asset_for(request.user, asset_id, Role.EDITOR)
    form = FormatForm(request.POST)
    if form.is_valid():
        services.request_rendition(asset=found, profile=form.cleaned_data["profile"])
        messages.success(request, _("The format is being prepared."))
    else:
        messages.error(request, _("Choose one of the formats."))
    return redirect(found)


@login_required
@require_POST
def prepare_again(request: HttpRequest, asset_id: uuid.UUID) -> HttpResponse:
    """Prepare a file anew in all its formats."""
    found = get_asset_for(request.user, asset_id, Role.EDITOR)
    if services.prepare_again(asset=found):
        messages.success(request, _("The file is being prepared again."))
    else:
        messages.info(request, _("It can be prepared again when it is ready."))
    return redirect(found)


@login_required
@require_GET
def thumbnail(request: HttpRequest, asset_id: uuid.UUID) -> HttpResponse:
    """A picture of the file, for members only; made by us, so it is what it says it is."""
    found = get_asset_for(request.user, asset_id)
    if not found.thumbnail_key:
        raise Http404("This file has no picture.")
    try:
        with default_storage.open(found.thumbnail_key) as picture:
            response = HttpResponse(picture.read(), content_type="image/jpeg")
    except FileNotFoundError as error:
        raise Http404("The picture is gone.") from error
    response["Cache-Control"] = "private, max-age=86400"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    # Shown in a page all the same; opened by itself it is saved instead of shown.
    response["Content-Disposition"] = 'attachment; filename="picture.jpg"'
    return response


def _rows(assets: Iterable[Asset]) -> list[Row]:
    return [Row(asset, asset_status(asset)) for asset in assets]


def _poll(workspace: Workspace, rows: Sequence[Row]) -> dict[str, object]:
    """What the page needs to ask for news: which rows, and what it knows of them already."""
    busy = [row for row in rows if row.status.is_busy]
    query = urlencode(
        {"workspace": workspace.slug, "ids": ",".join(str(row.asset.pk) for row in busy)}
    )
    return {
        "busy_ids": [row.asset.pk for row in busy],
        "poll_url": f"{reverse('library:progress')}?{query}",
        "etag": _etag(busy),
    }


def _etag(rows: Sequence[Row]) -> str:
    shown = [(str(row.asset.pk), row.status.label, row.status.percent) for row in rows]
    return f'"{hashlib.sha256(json.dumps(sorted(shown)).encode()).hexdigest()[:20]}"'


def _ids(text: str) -> list[uuid.UUID]:
    found = []
    for part in text.split(",")[:ASKED_AT_ONCE]:
        try:
            found.append(uuid.UUID(part))
        except ValueError:
            continue
    return found


def _chosen(request: HttpRequest, workspace: Workspace, *, deleted: bool = False) -> list[Asset]:
    """The files of `workspace` that a form names; those that are gone meanwhile are left out."""
    require(request.user, workspace, Role.EDITOR)
    ids = _ids(",".join(request.POST.getlist("asset")))
    return selectors.assets_by_id(workspace, ids, deleted=deleted)


def _undoable(request: HttpRequest, workspace: Workspace, role: Role) -> list[Asset]:
    """The files that were deleted a moment ago, while they can still come back."""
    ids = _ids(request.GET.get("undo", ""))
    if not ids or role < Role.EDITOR:
        return []
    return selectors.assets_by_id(workspace, ids, deleted=True)


def _user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _library_url(workspace: Workspace, folder: Folder | None = None) -> str:
    query = {"workspace": workspace.slug} | ({"folder": str(folder.pk)} if folder else {})
    return f"{reverse('library:library')}?{urlencode(query)}"


def _folder_among(folders: Sequence[Folder], wanted: str) -> Folder | None:
    """The folder with the id that an address or a form names; None for any other."""
    return next((folder for folder in folders if str(folder.pk) == wanted), None)


def _storage(workspace: Workspace) -> dict[str, int]:
    """How full the library is."""
    used = selectors.totals.of(workspace.pk).used_bytes
    allowed = entitlements_for(workspace).storage_bytes
    return {"used": used, "allowed": allowed, "percent": min(100, 100 * used // max(1, allowed))}


def _page_url(
    workspace: Workspace, search: str, folder: Folder | None, *, before: str = "", after: str = ""
) -> str:
    if not before and not after:
        return ""
    query = {
        "workspace": workspace.slug,
        "q": search,
        "folder": str(folder.pk) if folder else "",
        "before": before,
        "after": after,
    }
    kept = {name: value for name, value in query.items() if value}
    return f"{reverse('library:library')}?{urlencode(kept)}"


def _back(request: HttpRequest, found: Asset) -> str:
    """Where a form came from: the list or the file's page; never an address from outside."""
    if request.GET.get("from") == "list" or request.POST.get("from") == "list":
        return _library_url(found.workspace)
    return found.get_absolute_url()


def _whole_or_dialog(request: HttpRequest, whole: str, dialog: str) -> str:
    asked_by_script = request.headers.get("HX-Request") == "true"
    return dialog if asked_by_script and request.method == "GET" else whole
