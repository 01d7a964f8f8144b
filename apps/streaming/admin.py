"""Streams in the operator's admin: read mostly, keys never."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.streaming.models import Event, Node, Output, Playlist, Session, Stream


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Rows whose writers are elsewhere: an edit here would be undone or would do harm."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Stream)
class StreamAdmin(ReadOnlyAdmin):
    list_display = ["title", "workspace", "profile", "desired", "generation", "started_at"]
    list_filter = ["desired"]
    search_fields = ["title", "workspace__name"]
    list_select_related = ["workspace"]


@admin.register(Output)
class OutputAdmin(ReadOnlyAdmin):
    list_display = ["stream", "desired", "state", "node", "token", "kbps", "reported_at"]
    list_filter = ["desired", "state", "node"]
    list_select_related = ["stream"]


@admin.register(Playlist)
class PlaylistAdmin(ReadOnlyAdmin):
    list_display = ["name", "workspace"]
    search_fields = ["name"]
    list_select_related = ["workspace"]


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin):
    list_display = ["name", "id", "version", "draining", "last_seen"]


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    list_display = ["session_id", "output", "started_at", "ended_at", "reason"]
    list_filter = ["reason"]


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["at", "code", "text", "stream"]
    list_filter = ["code"]
    list_select_related = ["stream"]
