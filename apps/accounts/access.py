"""The one place that decides who may see and do what.

Strangers get 404 for everything, as if it did not exist; members whose role is too low get 403.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TypeAlias, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import F, Model, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest

from apps.accounts.models import ApiToken, Invitation, Membership, Role, User, Workspace

SESSION_KEY = "workspace"

Row = TypeVar("Row", bound=Model)

Caller: TypeAlias = User | AnonymousUser | ApiToken
"""Who asks: a person, nobody yet, or a program with a token of one workspace."""


def accessible_workspaces(user: User | AnonymousUser) -> QuerySet[Workspace]:
    """The workspaces `user` is a member of, oldest membership first."""
    if not user.is_authenticated:
        return Workspace.objects.none()
    return Workspace.objects.filter(memberships__user=user).order_by(
        "memberships__created_at", "created_at"
    )


def get_workspace_for(user: User | AnonymousUser, slug: str | None = None) -> Workspace:
    """The workspace called `slug`, or the user's first one.

    Raises:
        Http404: there is none, or the user is no member of it.
    """
    # The role comes with the row: pages ask for it next.
    workspaces = accessible_workspaces(user).annotate(members_role=F("memberships__role"))
    workspace = (workspaces.filter(slug=slug) if slug else workspaces).first()
    if workspace is None:
        raise Http404("There is no such workspace.")
    workspace.role_known = (user.pk, Role(workspace.members_role))  # type: ignore[attr-defined]
    return workspace


def workspaces_of(request: HttpRequest) -> list[Workspace]:
    """The workspaces of who asks, oldest membership first, each knowing their role there.

    One query, once per request: pages list them, and nearly all ask for one of them.
    """
    known: list[Workspace] | None = getattr(request, "_workspaces", None)
    if known is None:
        user = request.user
        known = list(accessible_workspaces(user).annotate(members_role=F("memberships__role")))
        for workspace in known:
            workspace.role_known = (user.pk, Role(workspace.members_role))  # type: ignore[attr-defined]
        request._workspaces = known  # type: ignore[attr-defined]  # noqa: SLF001 - ours
    return known


def with_role(rows: QuerySet[Row], user: Caller, workspace: str = "workspace") -> QuerySet[Row]:
    """The same rows, each with the caller's role in its workspace, so that `require` knows it.

    `workspace` is the path to it; pass each row to `note_role` before `require`.
    """
    if isinstance(user, ApiToken) or not user.is_authenticated:
        return rows
    role = Membership.objects.filter(user=user, workspace=OuterRef(workspace)).values("role")
    annotated: QuerySet[Row] = rows.annotate(members_role=Subquery(role[:1]))  # type: ignore[assignment]
    return annotated


def note_role(user: Caller, row: Model, workspace: Workspace) -> None:
    """Let `workspace` know what `with_role` found out about `user`."""
    if not isinstance(user, ApiToken) and hasattr(row, "members_role"):
        role = row.members_role
        workspace.role_known = (user.pk, Role(role) if role else None)  # type: ignore[attr-defined]


def role_in(user: Caller, workspace: Workspace) -> Role | None:
    """The caller's role, None for a stranger; a token is a stranger outside its own workspace."""
    if isinstance(user, ApiToken):
        return user.role if user.workspace_id == workspace.pk else None
    if not user.is_authenticated:
        return None
    known = getattr(workspace, "role_known", None)
    if known is not None and known[0] == user.pk:
        return known[1]  # type: ignore[no-any-return]
    role = (
        Membership.objects.filter(user=user, workspace=workspace)
        .values_list("role", flat=True)
        .first()
    )
    return Role(role) if role else None


def require(user: Caller, workspace: Workspace, least: Role = Role.VIEWER) -> Role:
    """The user's role in `workspace`, which is `least` or higher.

    Raises:
        Http404: the user is a stranger there.
        PermissionDenied: the user is a member, but with a lower role.
    """
    role = role_in(user, workspace)
    if role is None:
        raise Http404("There is no such workspace.")
    if role < least:
        raise PermissionDenied(f"This needs the role {least.label} in {workspace.name}.")
    return role


def current_workspace(request: HttpRequest) -> Workspace:
    """The workspace of this request: `?workspace=<slug>`, else the one chosen last, else the first.

    A choice by address is remembered in the session. Computed once per request.

    Raises:
        Http404: the address names one that is not the user's, or the user has none.
    """
    known = getattr(request, "workspace", None)
    if isinstance(known, Workspace):
        return known
    workspaces = {workspace.slug: workspace for workspace in workspaces_of(request)}
    slug = request.GET.get("workspace")
    if not workspaces or (slug and slug not in workspaces):
        raise Http404("There is no such workspace.")
    if slug:
        workspace = workspaces[slug]
        if request.session.get(SESSION_KEY) != slug:
            request.session[SESSION_KEY] = slug
    else:
        first = next(iter(workspaces.values()))
        workspace = workspaces.get(request.session.get(SESSION_KEY, ""), first)
    request.workspace = workspace  # type: ignore[attr-defined]
    return workspace


def get_membership_for(user: Caller, membership_id: uuid.UUID) -> Membership:
    """A membership of a workspace that `user` owns.

    Raises:
        Http404: there is none, or it is in a workspace the user does not belong to.
        PermissionDenied: the user is no owner there.
    """
    memberships = Membership.objects.select_related("workspace", "user").filter(pk=membership_id)
    membership = with_role(memberships, user).first()
    if membership is None:
        raise Http404("There is no such member.")
    note_role(user, membership, membership.workspace)
    require(user, membership.workspace, Role.OWNER)
    return membership


def get_invitation_for(user: Caller, invitation_id: uuid.UUID) -> Invitation:
    """An invitation into a workspace that `user` owns; raises like `get_membership_for`."""
    found = Invitation.objects.select_related("workspace").filter(pk=invitation_id).first()
    if found is None:
        raise Http404("There is no such invitation.")
    require(user, found.workspace, Role.OWNER)
    return found


def digest_of(token: str) -> str:
    """What is kept of an API token; a random token needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_token(token: str) -> ApiToken | None:
    """The row of an API token whose maker is still an active member; None for all others.

    It comes with workspace, maker and the maker's present role, in one query.
    """
    found = (
        ApiToken.objects.select_related("workspace", "created_by")
        .filter(
            digest=digest_of(token),
            created_by__is_active=True,
            created_by__memberships__workspace=F("workspace"),
        )
        .annotate(makers_role=F("created_by__memberships__role"))
        .first()
    )
    if found is not None:
        found.role = Role(found.makers_role)
    return found


def get_token_for(user: Caller, token_id: uuid.UUID) -> ApiToken:
    """A token of a workspace that `user` owns; raises like `get_membership_for`."""
    token = ApiToken.objects.select_related("workspace", "created_by").filter(pk=token_id).first()
    if token is None:
        raise Http404("There is no such token.")
    require(user, token.workspace, Role.OWNER)
    return token
