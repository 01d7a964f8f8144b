"""How a request obtains anything of this app. What is foreign or missing looks the same: 404."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404

from apps.accounts.access import Caller, note_role, require, with_role
from apps.accounts.models import Role
from apps.streaming.models import Output, Playlist, Stream


def get_stream_for(user: Caller, stream_id: UUID, role: Role = Role.VIEWER) -> Stream:
    """The stream, when `user` has at least `role` in its workspace; `.role` is the one they have.

    Raises `Http404` for strangers and `PermissionDenied` for members whose role is too low.
    """
    streams = Stream.objects.select_related("workspace", "playlist", "music", "filler").filter(
        pk=stream_id
    )
    stream = with_role(streams, user).first()
    if stream is None:
        raise Http404("There is no such stream.")
    note_role(user, stream, stream.workspace)
    stream.role = require(user, stream.workspace, role)
    return stream


def get_playlist_for(user: Caller, playlist_id: UUID, role: Role = Role.VIEWER) -> Playlist:
    """The playlist, when `user` has at least `role` in its workspace; `.role` is what they have.

    Raises `Http404` for strangers and `PermissionDenied` for members whose role is too low.
    """
    related = ("workspace", "source", "source__channel")
    playlists = Playlist.objects.select_related(*related).filter(pk=playlist_id)
    playlist = with_role(playlists, user).first()
    if playlist is None:
        raise Http404("There is no such playlist.")
    note_role(user, playlist, playlist.workspace)
    playlist.role = require(user, playlist.workspace, role)
    return playlist


def get_output_of(stream: Stream, output_id: UUID) -> Output:
    """One of the stream's outputs with its destination, whose key is read only when it is asked.

    Raises `Http404` when the stream has none such, or has it no more.
    """
    outputs = stream.outputs.select_related("destination").defer("destination__key")
    output = outputs.filter(pk=output_id, removed_at=None).first()
    if output is None:
        raise Http404("There is no such destination.")
    return output
