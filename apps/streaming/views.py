"""Pages of streams and playlists."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import current_workspace, require
from apps.accounts.models import Role, User, Workspace
from apps.core.etags import unless_same
from apps.library.access import get_assets_for
from apps.library.preparation import default_profile_id
from apps.streaming import schedule, selectors, stream_manager
from apps.streaming.access import get_output_of, get_playlist_for, get_stream_for
from apps.streaming.client import ReceiverSilent, open_live
from apps.streaming.destinations import DestinationRefused, backup_of
from apps.streaming.forms import DestinationForm, PickForm, PlaylistForm, StreamForm
from apps.streaming.models import Output, Playlist, Stream
from apps.streaming.stream_manager import DestinationBusy, StartRefused, StreamIsOnAir

BOARD_ROWS = 20

# -- dashboard ----------------------------------------------------------------------------------


@login_required
@require_GET
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """What is on air now."""
    workspace, may_edit = _place(request)
    page = selectors.stream_page(workspace, size=BOARD_ROWS)
    page = replace(page, rows=selectors.with_airing(page.rows))
    context = _frame(workspace) | {
        "page": page,
        "figures": selectors.figures(workspace),
        "may_edit": may_edit,
    }
    if request.headers.get("HX-Request"):
        return _fragment(request, "streaming/_board.html", context)
    if may_edit and not any(row.stream.started_at for row in page.rows):
        context["steps"] = selectors.first_steps(workspace, cast(User, request.user))
    return render(request, "streaming/dashboard.html", context)


# -- streams ------------------------------------------------------------------------------------


@login_required
@require_GET
def streams(request: HttpRequest) -> HttpResponseBase:
    """All streams of a workspace."""
    workspace, may_edit = _place(request)
    page = selectors.stream_page(workspace, number=_page_number(request))
    context = (
        _frame(workspace)
        | {"page": page, "may_edit": may_edit}
        | _pager(workspace, "streaming:streams", page)
    )
    if request.headers.get("HX-Request"):
        return _fragment(request, "streaming/_stream_table.html", context)
    return render(request, "streaming/streams.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def stream_new(request: HttpRequest) -> HttpResponse:
    """A form for a new stream."""
    workspace = current_workspace(request)
    require(request.user, workspace, Role.EDITOR)
    form = StreamForm(
        request.POST or None,
        workspace=workspace,
        initial={"profile": default_profile_id(), "playlist": request.GET.get("playlist")},
    )
    if request.method == "POST" and form.is_valid():
        stream = stream_manager.create_stream(
            workspace=workspace, by=cast(User, request.user), **_wish(form)
        )
        messages.success(request, _("The stream was created. Start it when you are ready."))
        return redirect(stream)
    return render(
        request,
        "streaming/stream_form.html",
        _frame(workspace) | {"form": form, "stream": None},
        status=422 if form.errors else 200,
    )


@login_required
@require_http_methods(["GET", "POST"])
def stream_edit(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """The same form, for a stream that exists."""
    stream = get_stream_for(request.user, stream_id, Role.EDITOR)
    form = StreamForm(request.POST or None, workspace=stream.workspace, stream=stream)
    if request.method == "POST" and form.is_valid():
        try:
            stream_manager.update_stream(stream=stream, by=cast(User, request.user), **_wish(form))
        except StreamIsOnAir as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("The changes are saved."))
            return redirect(stream)
    return render(
        request,
        "streaming/stream_form.html",
        {**_frame(stream.workspace), "form": form, "stream": stream},
        status=422 if form.errors else 200,
    )


def _wish(form: StreamForm) -> dict[str, Any]:
    names = ("title", "playlist", "profile", "loop", "start_policy", "address", "key")
    return {name: form.cleaned_data[name] for name in names}


@login_required
@require_GET
def stream(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """One stream: how it is, what is on, what happened."""
    found = get_stream_for(request.user, stream_id)
    return render(
        request,
        "streaming/stream.html",
        _live_context(request, found)
        | {
            **_frame(found.workspace),
            "profile_label": schedule.profile_label(found.profile),
        },
    )


@login_required
@require_GET
def stream_live(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """The moving part of the stream's page; 304 while nothing moved."""
    found = get_stream_for(request.user, stream_id)
    context = _live_context(request, found)
    context["wish_changed"] = request.GET.get("wish") not in (None, found.desired)
    return _fragment(request, "streaming/_live.html", context)


@login_required
@require_GET
def stream_ready(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """Whether a stream can be started, and what is missing; a page, or a fragment for one."""
    found = get_stream_for(request.user, stream_id)
    checks = stream_manager.checks(found)
    context = {
        **_frame(found.workspace),
        "stream": found,
        "checks": checks,
        "is_ready": all(check.is_well for check in checks),
        "may_edit": found.role >= Role.EDITOR,
    }
    if request.headers.get("HX-Request"):
        return _fragment(request, "streaming/_ready.html", context)
    return render(request, "streaming/ready.html", context)


def _live_context(request: HttpRequest, stream: Stream) -> dict[str, Any]:
    return {
        "stream": stream,
        "live": selectors.live(stream),
        "events": selectors.recent_events(stream),
        "may_edit": stream.role >= Role.EDITOR,
    }


@login_required
@require_POST
def stream_start(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Wish it on air."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    try:
        stream_manager.start_stream(stream=found, by=cast(User, request.user))
    except StartRefused as refused:
        for problem in refused.problems:
            messages.error(request, problem)
    return redirect(found)


@login_required
@require_http_methods(["GET", "POST"])
def stream_stop(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Ask, then wish it off."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    if request.method == "POST":
        stream_manager.stop_stream(stream=found, by=cast(User, request.user))
        return redirect(found)
    return render(
        request, "streaming/stream_stop.html", {**_frame(found.workspace), "stream": found}
    )


@login_required
@require_http_methods(["GET", "POST"])
def stream_delete(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Ask, then remove."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    if request.method == "POST":
        try:
            stream_manager.delete_stream(stream=found, by=cast(User, request.user))
        except StreamIsOnAir as refused:
            messages.error(request, str(refused))
            return redirect(found)
        messages.success(request, _("The stream “%(title)s” was deleted.") % {"title": found.title})
        return redirect("streaming:streams")
    return render(
        request, "streaming/stream_delete.html", {**_frame(found.workspace), "stream": found}
    )


# -- where it goes ------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def destination_new(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """A form for one more place to send the stream to."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    form = DestinationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            stream_manager.add_destination(stream=found, by=cast(User, request.user), **form.wish())
        except (DestinationBusy, DestinationRefused) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("The destination was added."))
            return redirect(found)
    return _destination_form(request, found, form, None)


@login_required
@require_http_methods(["GET", "POST"])
def destination_edit(request: HttpRequest, stream_id: UUID, output_id: UUID) -> HttpResponse:
    """The same form, for a destination that exists."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    output = get_output_of(found, output_id)
    form = DestinationForm(request.POST or None, output=output, on_air=found.is_wanted)
    if request.method == "POST" and form.is_valid():
        try:
            stream_manager.change_destination(
                stream=found, output=output, by=cast(User, request.user), **form.wish()
            )
        except (DestinationBusy, DestinationRefused, StreamIsOnAir) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("The changes are saved."))
            return redirect(found)
    return _destination_form(request, found, form, output)


def _destination_form(
    request: HttpRequest, stream: Stream, form: DestinationForm, output: Output | None
) -> HttpResponse:
    return render(
        request,
        "streaming/destination_form.html",
        {
            **_frame(stream.workspace),
            "form": form,
            "stream": stream,
            "output": output,
            "has_backup_entry": output is not None
            and backup_of(output.destination.address) is not None,
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def destination_backup(request: HttpRequest, stream_id: UUID, output_id: UUID) -> HttpResponse:
    """Send the stream to YouTube's backup entry too, with the same key."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    output = get_output_of(found, output_id)
    try:
        stream_manager.add_backup(stream=found, output=output, by=cast(User, request.user))
    except (DestinationBusy, DestinationRefused) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The backup entry was added."))
    return redirect(found)


@login_required
@require_http_methods(["GET", "POST"])
def destination_remove(request: HttpRequest, stream_id: UUID, output_id: UUID) -> HttpResponse:
    """Ask, then send the stream there no more: its key cannot be brought back."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    output = get_output_of(found, output_id)
    if request.method == "POST":
        name = output.destination.name
        stream_manager.remove_destination(stream=found, output=output, by=cast(User, request.user))
        messages.success(request, _("“%(name)s” was removed.") % {"name": name})
        return redirect(found)
    return render(
        request,
        "streaming/destination_remove.html",
        {**_frame(found.workspace), "stream": found, "output": output},
    )


# -- what the receiver gets ---------------------------------------------------------------------


@login_required
@require_GET
def watch_any(request: HttpRequest) -> HttpResponse:
    """The picture of the workspace's first stream to the test receiver."""
    workspace, _may_edit = _place(request)
    found = selectors.simulated_stream(workspace)
    if found is None:
        messages.info(request, _("No stream goes to the test receiver of this installation."))
        return redirect("streaming:streams")
    return redirect("streaming:watch", found.pk)


@login_required
@require_GET
def watch(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """The bytes that the test receiver got, played by the browser."""
    found = get_stream_for(request.user, stream_id)
    context = _live_context(request, found)
    if not context["live"].is_simulated:
        raise Http404("This stream does not go to the test receiver.")
    return render(request, "streaming/watch.html", context | _frame(found.workspace))


@require_GET
async def watch_flv(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """The receiver's live FLV, handed through to whoever may see the stream."""
    path = await sync_to_async(_receiver_path)(request, stream_id)
    try:
        pieces = await open_live(settings.INGEST_SIMULATOR_HTTP, path)
    except ReceiverSilent as silent:
        return HttpResponse(str(silent), status=503, content_type="text/plain")
    response = StreamingHttpResponse(pieces, content_type="video/x-flv")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _receiver_path(request: HttpRequest, stream_id: UUID) -> str:
    if not request.user.is_authenticated:
        raise Http404("There is no such stream.")
    output = selectors.simulated_output(get_stream_for(request.user, stream_id))
    if output is None:
        raise Http404("This stream does not go to the test receiver.")
    # The receiver names its streams by this, so that no address shows a key.
    return f"/live/{hashlib.sha256(output.destination.key.encode()).hexdigest()[:16]}.flv"


# -- playlists ----------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def playlists(request: HttpRequest) -> HttpResponse:
    """All playlists; POST makes one."""
    workspace, may_edit = _place(request)
    form = PlaylistForm(request.POST or None)
    if request.method == "POST":
        require(request.user, workspace, Role.EDITOR)
        if form.is_valid():
            made = stream_manager.create_playlist(
                workspace=workspace, name=form.cleaned_data["name"]
            )
            return redirect(made)
    page = selectors.playlist_page(workspace, number=_page_number(request))
    return render(
        request,
        "streaming/playlists.html",
        _frame(workspace)
        | {"page": page, "form": form, "may_edit": may_edit}
        | _pager(workspace, "streaming:playlists", page),
        status=422 if form.errors else 200,
    )


@login_required
@require_http_methods(["GET", "POST"])
def playlist(request: HttpRequest, playlist_id: UUID) -> HttpResponse:
    """One playlist; POST renames it."""
    found = get_playlist_for(
        request.user, playlist_id, Role.EDITOR if request.method == "POST" else Role.VIEWER
    )
    if request.method == "POST":
        form = PlaylistForm(request.POST)
        if form.is_valid():
            stream_manager.rename_playlist(playlist=found, name=form.cleaned_data["name"])
        else:
            messages.error(request, _("A playlist needs a name of at most 120 characters."))
        return redirect(found)
    return render(
        request,
        "streaming/playlist.html",
        _items_context(found)
        | {**_frame(found.workspace), "assets": selectors.addable_assets(found.workspace)},
    )


@login_required
@require_GET
def playlist_choices(request: HttpRequest, playlist_id: UUID) -> HttpResponseBase:
    """Files that can be added, by a part of their name."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    search = request.GET.get("q", "").strip()[:100]
    assets = selectors.addable_assets(found.workspace, search=search)
    context = {"playlist": found, "assets": assets, "search": search, "may_edit": True}
    return render(request, "streaming/_choices.html", context)


@login_required
@require_POST
def playlist_add(request: HttpRequest, playlist_id: UUID) -> HttpResponse:
    """Put files into the playlist, at `position` or at the end."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    assets = get_assets_for(
        request.user, found.workspace, [_uuid(value) for value in _chosen(request)]
    )
    if not assets:
        if not request.headers.get("HX-Request"):
            messages.info(request, _("Choose at least one file first."))
        return _items(request, found)
    position = request.POST.get("position", "")
    added = stream_manager.add_items(
        playlist=found,
        assets=assets,
        position=int(position) if position.isascii() and position.isdigit() else None,
    )
    # One more click undoes one; only several at once are worth a question.
    return _items(request, found, added=added if len(added) > 1 else [])


@login_required
@require_POST
def playlist_remove(request: HttpRequest, playlist_id: UUID, item_id: UUID) -> HttpResponse:
    """Take an item out, and offer to put it back."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    gone = stream_manager.remove_item(playlist=found, item_id=item_id)
    return _items(request, found, removed=gone)


@login_required
@require_POST
def playlist_restore(request: HttpRequest, playlist_id: UUID) -> HttpResponse:
    """Put an item back that was taken out, where it was: the undo of removing it."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    (asset,) = get_assets_for(request.user, found.workspace, [_uuid(request.POST.get("asset"))])
    position = request.POST.get("position", "")
    stream_manager.restore_item(
        playlist=found,
        asset=asset,
        item_id=_uuid(request.POST.get("item")),
        position=int(position) if position.isascii() and position.isdigit() else 0,
    )
    return _items(request, found)


@login_required
@require_POST
def playlist_remove_many(request: HttpRequest, playlist_id: UUID) -> HttpResponse:
    """Take several items out: the undo of adding them."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    stream_manager.remove_items(
        playlist=found, item_ids=[_uuid(value) for value in request.POST.getlist("item")[:MOST]]
    )
    return _items(request, found)


@login_required
@require_POST
def playlist_move(request: HttpRequest, playlist_id: UUID, item_id: UUID) -> HttpResponse:
    """Move an item one place `up` or `down`, or to a place by its number, and offer to undo it."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    to = request.POST.get("to", "")
    if to.isascii() and to.isdigit():
        stream_manager.place_item(playlist=found, item_id=item_id, at=int(to[:6]))
        return _items(request, found)
    step = -1 if to == "up" else 1
    stream_manager.move_item(playlist=found, item_id=item_id, by=step)
    return _items(request, found, moved=item_id, moved_to="up" if step < 0 else "down")


@login_required
@require_POST
def playlist_order(request: HttpRequest, playlist_id: UUID) -> HttpResponse:
    """Take over the order that somebody dragged together, and offer to undo it."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    moved = stream_manager.set_order(
        playlist=found, item_ids=[_uuid(value) for value in request.POST.getlist("item")[:5000]]
    )
    return _items(request, found, dragged=moved)


@login_required
@require_http_methods(["GET", "POST"])
def playlist_pick(request: HttpRequest) -> HttpResponse:
    """Choose the playlist, or name a new one, that the chosen files of the library go into."""
    workspace, _may_edit = _place(request)
    require(request.user, workspace, Role.EDITOR)
    assets = get_assets_for(request.user, workspace, [_uuid(value) for value in _chosen(request)])
    if not assets:
        messages.info(request, _("Choose at least one file first."))
        return redirect(f"{reverse('library:library')}?{urlencode({'workspace': workspace.slug})}")
    form = PickForm(request.POST or None, workspace=workspace)
    if request.method == "POST" and form.is_valid():
        target = form.cleaned_data["playlist"] or stream_manager.create_playlist(
            workspace=workspace, name=form.cleaned_data["name"]
        )
        stream_manager.add_items(playlist=target, assets=assets)
        messages.success(
            request,
            ngettext(
                "%(count)s file was added to “%(name)s”.",
                "%(count)s files were added to “%(name)s”.",
                len(assets),
            )
            % {"count": len(assets), "name": target.name},
        )
        return redirect(target)
    template = "streaming/playlist_pick.html"
    if request.headers.get("HX-Request") and request.method == "GET":
        template = "streaming/_pick_dialog.html"
    return render(
        request,
        template,
        _frame(workspace) | {"form": form, "assets": assets},
        status=422 if form.errors else 200,
    )


MOST = 100
"""Files that can be chosen at once."""


def _chosen(request: HttpRequest) -> list[str]:
    sent = request.POST if request.method == "POST" else request.GET
    return sent.getlist("asset")[:MOST]


@login_required
@require_http_methods(["GET", "POST"])
def playlist_delete(request: HttpRequest, playlist_id: UUID) -> HttpResponse:
    """Ask, then remove. The files stay in the library."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    if request.method == "POST":
        try:
            stream_manager.delete_playlist(playlist=found)
        except StreamIsOnAir as refused:
            messages.error(request, str(refused))
            return redirect(found)
        messages.success(request, _("The playlist “%(name)s” was deleted.") % {"name": found.name})
        return redirect("streaming:playlists")
    return render(
        request,
        "streaming/playlist_delete.html",
        {**_frame(found.workspace), "playlist": found},
    )


def _items(request: HttpRequest, playlist: Playlist, **context: Any) -> HttpResponse:
    """The list of items as a fragment, or the page for who has no script."""
    if not request.headers.get("HX-Request"):
        return redirect(playlist)
    return render(request, "streaming/_items.html", _items_context(playlist) | context)


def _items_context(playlist: Playlist) -> dict[str, Any]:
    items = selectors.playlist_items(playlist)
    return {
        "playlist": playlist,
        "items": items,
        "duration_ms": sum(item.asset.duration_ms or 0 for item in items),
        "may_edit": playlist.role >= Role.EDITOR,
    }


# -- shared -------------------------------------------------------------------------------------


def _place(request: HttpRequest) -> tuple[Workspace, bool]:
    workspace = current_workspace(request)
    return workspace, require(request.user, workspace) >= Role.EDITOR


def _page_number(request: HttpRequest) -> int:
    number = request.GET.get("page", "1")
    return max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 7 else 1


def _pager(
    workspace: Workspace, name: str, page: selectors.StreamPage | selectors.PlaylistPage
) -> dict[str, str]:
    def url(number: int) -> str:
        return f"{reverse(name)}?{urlencode({'workspace': workspace.slug, 'page': number})}"

    return {
        "newer_url": url(page.number - 1) if page.number > 1 else "",
        "older_url": url(page.number + 1) if page.has_next else "",
        "poll_url": url(page.number),
    }


def _frame(workspace: Workspace) -> dict[str, Any]:
    """What the page around a view's content needs to know of where it is."""
    return {"workspace": workspace, "workspace_query": f"?workspace={workspace.slug}"}


def _fragment(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponseBase:
    """A piece of a page that is asked for again and again: 304 when it reads as before."""
    return unless_same(request, render(request, template, context))


def _uuid(value: str | None) -> UUID:
    try:
        return UUID(value or "")
    except ValueError:
        raise Http404("There is no such thing.") from None
