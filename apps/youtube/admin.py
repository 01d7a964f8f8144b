"""Channels and broadcasts in the operator's admin: to look at; tokens and keys never."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.youtube.models import Alert, Broadcast, Channel, QuotaEntry, Show


class _ReadOnly(ModelAdmin):  # type: ignore[misc]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Channel)
class ChannelAdmin(_ReadOnly):
    list_display = ("title", "workspace", "state", "eligibility", "tested_at")
    list_filter = ("state", "eligibility")
    search_fields = ("title", "youtube_id", "workspace__name")
    list_select_related = ("workspace",)
    exclude = ("sealed_refresh_token", "sealed_access_token")


@admin.register(Show)
class ShowAdmin(_ReadOnly):
    list_display = ("name", "channel", "is_wanted", "on_air", "on_air_text", "look_at", "failures")
    list_filter = ("is_wanted", "on_air")
    list_select_related = ("channel",)
    exclude = ("thumbnail",)


@admin.register(Broadcast)
class BroadcastAdmin(_ReadOnly):
    list_display = ("youtube_id", "title", "channel", "reason", "lifecycle", "sent", "created_at")
    list_filter = ("lifecycle", "reason", "sent")
    list_select_related = ("channel",)


@admin.register(QuotaEntry)
class QuotaEntryAdmin(_ReadOnly):
    list_display = ("day", "project", "workspace", "method", "units", "calls", "refused")
    list_filter = ("day", "project")
    list_select_related = ("workspace",)


@admin.register(Alert)
class AlertAdmin(_ReadOnly):
    list_display = ("code", "name", "workspace", "opened_at", "mailed_at", "resolved_at")
    list_filter = ("code",)
    list_select_related = ("workspace",)
