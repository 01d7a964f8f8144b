"""What every page knows about where it is."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts.access import accessible_workspaces, current_workspace, role_in
from apps.accounts.models import Role, Workspace


def workspaces(request: HttpRequest) -> dict[str, Any]:
    """`current_workspace`, `workspaces` and `role`; nothing is read until a template asks."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"current_workspace": None, "workspaces": [], "role": None}

    def current() -> Workspace | None:
        try:
            return current_workspace(request)
        except Http404:
            return None

    def role() -> Role | None:
        workspace = current()
        return role_in(user, workspace) if workspace else None

    return {
        "current_workspace": SimpleLazyObject(current),
        "workspaces": accessible_workspaces(user),
        "role": SimpleLazyObject(role),
    }
