"""What every page knows about where it is."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts.access import current_workspace, role_in, workspaces_of
from apps.accounts.models import Role, Workspace


def workspaces(request: HttpRequest) -> dict[str, Any]:
    """`workspace` (also as `current_workspace`), `workspaces`, `role` and `workspace_query`.

    Nothing is read before a template asks. A view's own `workspace` wins over this one.
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"workspaces": [], "role": None}

    def current() -> Workspace | None:
        try:
            return current_workspace(request)
        except Http404:
            return None

    def role() -> Role | None:
        workspace = current()
        return role_in(user, workspace) if workspace else None

    def query() -> str:
        workspace = current()
        return f"?workspace={workspace.slug}" if workspace else ""

    workspace = SimpleLazyObject(current)
    return {
        "workspace": workspace,
        "current_workspace": workspace,
        "workspace_query": SimpleLazyObject(query),
        "workspaces": SimpleLazyObject(lambda: workspaces_of(request)),
        "role": SimpleLazyObject(role),
    }


def sign_in(request: HttpRequest) -> dict[str, Any]:
    """What pages about accounts need to know of this installation.

    `mail_outbox`: the directory where mail is written when there is no mail server.
    `passkeys_possible`: browsers know passkeys of names, not of addresses such as 127.0.0.1.
    """
    return {
        "mail_outbox": settings.MAIL_OUTBOX,
        "mail_works": settings.EMAIL_CONFIGURED or bool(settings.MAIL_OUTBOX),
        "google_sign_in": settings.GOOGLE_SIGN_IN,
        "passkeys_possible": SimpleLazyObject(lambda: _has_name(request)),
    }


def _has_name(request: HttpRequest) -> bool:
    host = request.get_host()
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False
