"""The library in the admin: to look at, not to change."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.library.models import Asset, Track


class _ReadOnly(ModelAdmin):  # type: ignore[misc]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Asset)
class AssetAdmin(_ReadOnly):
    list_display = ("title", "workspace", "state", "kind", "size_bytes", "created_at")
    list_filter = ("state", "kind")
    search_fields = ("title", "original_name", "id")
    list_select_related = ("workspace",)
    show_full_result_count = False


@admin.register(Track)
class TrackAdmin(_ReadOnly):
    list_display = ("asset", "kind", "profile", "state", "progress", "attempt", "failure_code")
    list_filter = ("state", "kind")
    search_fields = ("asset__title", "id")
    list_select_related = ("asset",)
    show_full_result_count = False
