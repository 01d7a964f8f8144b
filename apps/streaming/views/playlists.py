"""Pages of playlists."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import require
from apps.accounts.models import Role
from apps.library.access import get_assets_for
from apps.streaming import selectors, stream_manager
from apps.streaming.access import get_playlist_for
from apps.streaming.forms import MOST_WEIGHT, PickForm, PlaylistForm, WeightForm
from apps.streaming.models import Playlist
from apps.streaming.stream_manager import ListRefused, StreamIsOnAir
from apps.streaming.views.frame import (
    cursors,
    frame,
    pager,
    place,
    uuid_of,
)
from apps.youtube.client import YouTubeError
from apps.youtube.forms import ListForm
from apps.youtube.services import listing


@login_required
@require_http_methods(["GET", "POST"])
def playlists(request: HttpRequest) -> HttpResponse:
    """All playlists; POST makes one."""
    workspace, may_edit = place(request)
    form = PlaylistForm(request.POST or None)
    if request.method == "POST":
        require(request.user, workspace, Role.EDITOR)
        if form.is_valid():
            made = stream_manager.create_playlist(
                workspace=workspace, name=form.cleaned_data["name"]
            )
            return redirect(made)
    before, after = cursors(request)
    page = selectors.playlist_page(workspace, before=before, after=after)
    return render(
        request,
        "streaming/playlists.html",
        frame(workspace)
        | {"page": page, "form": form, "may_edit": may_edit}
        | pager(request, workspace, "streaming:playlists", page),
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
        _items_context(found, _place_of(request))
        | {
            **frame(found.workspace),
            "source": getattr(found, "source", None),
            "assets": selectors.addable_assets(found.workspace),
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def playlists_youtube(request: HttpRequest) -> HttpResponse:
    """The playlists of a channel at YouTube: looked for, and one followed."""
    workspace, _may_edit = place(request)
    require(request.user, workspace, Role.EDITOR)
    form = ListForm(request.POST or None, workspace=workspace)
    if request.method == "POST" and form.is_valid():
        channel, youtube_id = form.channel, form.cleaned_data["playlist"]
        try:
            if youtube_id:
                made = stream_manager.make_from_youtube(
                    workspace=workspace, channel=channel, youtube_id=youtube_id
                )
                return redirect(made)
            listing.look_for_lists(channel)
        except ListRefused as refused:
            messages.error(request, str(refused))
        except YouTubeError as error:
            messages.error(request, error.text)
        query = urlencode({"workspace": workspace.slug, "channel": str(channel.pk)})
        return redirect(f"{request.path}?{query}")
    chosen = form.chosen(request.GET.get("channel", ""))
    context = frame(workspace) | {
        "form": form,
        "channel": chosen,
        "found": listing.known_lists(chosen) if chosen is not None else None,
    }
    return render(
        request, "streaming/playlists_youtube.html", context, status=422 if form.errors else 200
    )


@login_required
@require_POST
def playlist_refresh(request: HttpRequest, playlist_id: UUID) -> HttpResponse:
    """Bring a playlist into the order that its list at YouTube has now."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    try:
        source = stream_manager.refresh_from_youtube(playlist=found)
    except ListRefused as refused:
        messages.error(request, str(refused))
    except YouTubeError as error:
        messages.error(request, error.text)
    else:
        messages.success(
            request,
            _("It is in YouTube's order now: %(found)s found here, %(missing)s missing.")
            % {"found": source.found_count, "missing": source.missing_count},
        )
    return redirect(found)


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
        request.user, found.workspace, [uuid_of(value) for value in _chosen(request)]
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
    where = added[0].position if added else None
    return _items(request, found, place=where, added=added if len(added) > 1 else [])


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
    (asset,) = get_assets_for(request.user, found.workspace, [uuid_of(request.POST.get("asset"))])
    position = request.POST.get("position", "")
    stream_manager.restore_item(
        playlist=found,
        asset=asset,
        item_id=uuid_of(request.POST.get("item")),
        position=int(position) if position.isascii() and position.isdigit() else 0,
    )
    return _items(request, found)


@login_required
@require_POST
def playlist_remove_many(request: HttpRequest, playlist_id: UUID) -> HttpResponse:
    """Take several items out: the undo of adding them."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    stream_manager.remove_items(
        playlist=found, item_ids=[uuid_of(value) for value in request.POST.getlist("item")[:MOST]]
    )
    return _items(request, found)


@login_required
@require_POST
def playlist_move(request: HttpRequest, playlist_id: UUID, item_id: UUID) -> HttpResponse:
    """Move an item one place `up` or `down`, or to a place by its number, and offer to undo it."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    to, typed = request.POST.get("to", ""), _number(request.POST.get("place", ""))
    if typed is not None:
        moved = stream_manager.place_item(playlist=found, item_id=item_id, at=max(0, typed - 1))
        return _items(request, found, place=moved.new if moved else None, dragged=moved)
    if (place := _number(to)) is not None:
        stream_manager.place_item(playlist=found, item_id=item_id, at=place)
        return _items(request, found, place=place)
    step = -1 if to == "up" else 1
    stream_manager.move_item(playlist=found, item_id=item_id, by=step)
    return _items(request, found, moved=item_id, moved_to="up" if step < 0 else "down")


@login_required
@require_POST
def playlist_weight(request: HttpRequest, playlist_id: UUID, item_id: UUID) -> HttpResponse:
    """How often an item plays in each shuffled round."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    form = WeightForm(request.POST)
    if form.is_valid():
        stream_manager.set_weight(
            playlist=found, item_id=item_id, weight=form.cleaned_data["weight"]
        )
    return _items(request, found)


@login_required
@require_POST
def playlist_order(request: HttpRequest, playlist_id: UUID) -> HttpResponse:
    """Take over the order that somebody dragged together, and offer to undo it."""
    found = get_playlist_for(request.user, playlist_id, Role.EDITOR)
    moved = stream_manager.set_order(
        playlist=found,
        item_ids=[uuid_of(value) for value in request.POST.getlist("item")[:5000]],
        # The page knows one window of a long list.
        others_stay=True,
    )
    return _items(request, found, dragged=moved)


@login_required
@require_http_methods(["GET", "POST"])
def playlist_pick(request: HttpRequest) -> HttpResponse:
    """Choose the playlist, or name a new one, that the chosen files of the library go into."""
    workspace, _may_edit = place(request)
    require(request.user, workspace, Role.EDITOR)
    assets = get_assets_for(request.user, workspace, [uuid_of(value) for value in _chosen(request)])
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
        frame(workspace) | {"form": form, "assets": assets},
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
        {**frame(found.workspace), "playlist": found},
    )


def _items(
    request: HttpRequest, playlist: Playlist, *, place: int | None = None, **context: Any
) -> HttpResponse:
    """The list of items as a fragment, or the page for who has no script.

    It shows the window that holds `place`, or else the one that the person is looking at.
    """
    place = _place_of(request) if place is None else place
    if not request.headers.get("HX-Request"):
        return redirect(f"{playlist.get_absolute_url()}?from={place}" if place else playlist)
    return render(request, "streaming/_items.html", _items_context(playlist, place) | context)


def _items_context(playlist: Playlist, place: int) -> dict[str, Any]:
    return {
        "playlist": playlist,
        "window": selectors.item_window(playlist, place=place),
        "may_edit": playlist.role >= Role.EDITOR,
        "weights": range(1, MOST_WEIGHT + 1) if selectors.is_shuffled(playlist) else None,
    }


def _place_of(request: HttpRequest) -> int:
    """The place in the list that the person is looking at."""
    sent = request.POST if request.method == "POST" else request.GET
    return _number(sent.get("from", "")) or 0


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
