"""Edits of what is on air, for programs. Each tells when it takes effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from ninja.responses import Status

from apps.accounts.api.door import Endpoints, caller
from apps.accounts.models import Role, Scope, User
from apps.core.problems import Kind, Problem
from apps.library.access import get_assets_for
from apps.streaming import models, schedule, selectors, stream_manager
from apps.streaming.access import get_playlist_for, get_stream_for
from apps.streaming.api.schemas import (
    ComingTold,
    EditTold,
    Jump,
    PlayNext,
    PlayTold,
    Skip,
    Swap,
    Undo,
)
from apps.streaming.stream_manager import Edited, EditRefused

endpoints = Endpoints(tags=["on air"])

REFUSED = Kind(
    "stream.edit_refused",
    409,
    "The edit cannot be made now.",
    "`detail` says why: the stream may be off, or nothing else may follow.",
)


@endpoints.read("/streams/{uuid:stream_id}/coming", response=ComingTold)
def list_coming(request: HttpRequest, stream_id: UUID) -> ComingTold:
    """Read what is on and what comes, with times.

    Nothing while the stream is off.
    """
    coming = selectors.coming(get_stream_for(caller(request), stream_id))
    return ComingTold(
        pictures=[_play(play) for play in coming.pictures],
        sound=[_play(play) for play in coming.sound],
    )


def _play(play: schedule.Play) -> PlayTold:
    return PlayTold(
        item_id=play.item_id,
        title=play.title,
        at=play.at,
        length_ms=play.length_ms,
        is_cut=play.is_cut,
    )


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/skip",
    Scope.STREAMS,
    response={202: EditTold},
    refusals=[REFUSED],
)
def skip_item(request: HttpRequest, stream_id: UUID, body: Skip | None = None) -> Status[Any]:
    """Cut short what is on air; no body is needed for the pictures.

    What would come next comes at the next key frame that is at least 3 s ahead.
    """
    part = (body or Skip()).part
    return _edited(
        request,
        stream_id,
        lambda stream, by: stream_manager.skip(stream=stream, part=part, by=by),
    )


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/jump",
    Scope.STREAMS,
    response={202: EditTold},
    refusals=[REFUSED],
)
def jump_to_item(request: HttpRequest, stream_id: UUID, body: Jump) -> Status[Any]:
    """Go on with another item of the playlist on air, or bring forward what is to play next."""
    return _edited(
        request,
        stream_id,
        lambda stream, by: stream_manager.jump(
            stream=stream, item_id=str(body.item_id), part=body.part, at=body.at, by=by
        ),
    )


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/play-next",
    Scope.STREAMS,
    response={202: EditTold},
    refusals=[REFUSED],
)
def play_next(request: HttpRequest, stream_id: UUID, body: PlayNext) -> Status[Any]:
    """Play a file once, behind what is on air; then the programme goes on as before."""
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    (asset,) = get_assets_for(token, stream.workspace, [body.asset_id])
    return _edited(
        request,
        stream_id,
        lambda stream, by: stream_manager.play_next(
            stream=stream, asset=asset, part=body.part, by=by
        ),
    )


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/swap",
    Scope.STREAMS,
    response={202: EditTold},
    refusals=[REFUSED],
)
def swap_playlist(request: HttpRequest, stream_id: UUID, body: Swap) -> Status[Any]:
    """Play another playlist from its top, and keep to it."""
    token = caller(request)
    found = get_stream_for(token, stream_id, Role.EDITOR)
    playlist = get_playlist_for(token, body.playlist_id)
    if playlist.workspace_id != found.workspace_id:
        raise Http404("There is no such playlist.")
    return _edited(
        request,
        stream_id,
        lambda stream, by: stream_manager.swap_playlist(
            stream=stream, playlist=playlist, part=body.part, at=body.at, by=by
        ),
    )


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/pause",
    Scope.STREAMS,
    response={202: EditTold},
    refusals=[REFUSED],
)
def pause_stream(request: HttpRequest, stream_id: UUID) -> Status[Any]:
    """Show the filler until the stream is resumed; the connection stays."""
    return _edited(
        request, stream_id, lambda stream, by: stream_manager.pause(stream=stream, by=by)
    )


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/resume",
    Scope.STREAMS,
    response={202: EditTold},
    refusals=[REFUSED],
)
def resume_stream(request: HttpRequest, stream_id: UUID) -> Status[Any]:
    """Go on where the programme was paused."""
    return _edited(
        request, stream_id, lambda stream, by: stream_manager.resume(stream=stream, by=by)
    )


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/undo",
    Scope.STREAMS,
    response={202: EditTold},
    refusals=[REFUSED],
)
def undo_edit(request: HttpRequest, stream_id: UUID, body: Undo) -> Status[Any]:
    """Take back the last edit.

    Before it took effect nothing of it is seen; afterwards what it cut off goes on.
    """
    return _edited(
        request,
        stream_id,
        lambda stream, by: stream_manager.undo(stream=stream, version=body.version, by=by),
    )


def _edited(
    request: HttpRequest, stream_id: UUID, edit: Callable[[models.Stream, User | None], Edited]
) -> Status[Any]:
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    try:
        edited = edit(stream, token.created_by)
    except EditRefused as refused:
        raise Problem(REFUSED, str(refused)) from None
    return Status(
        202,
        EditTold(
            version=edited.version,
            part=edited.part,
            effective_at=edited.at,
            title=edited.title,
        ),
    )
