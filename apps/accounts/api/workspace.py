"""The workspace of a token: its name, its members, its tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from ninja.responses import Status
from pydantic import Field

from apps.accounts import invitations, services
from apps.accounts.access import get_invitation_for, get_membership_for, get_token_for, require
from apps.accounts.api.door import Endpoints, caller
from apps.accounts.forms import InvitationForm
from apps.accounts.models import ApiToken, Invitation, Membership, Role, Scope, Workspace
from apps.core.cursors import newest_first
from apps.core.etags import unless_changed
from apps.core.problems import CHANGED, INVALID, Kind, Problem
from apps.core.rest import (
    Asked,
    Cursor,
    Limit,
    Line,
    Name,
    Page,
    Told,
    faults_of,
    page_of,
    rendered,
)

endpoints = Endpoints(tags=["workspace"])

NEEDS_OWNER = Kind(
    "workspace.needs_owner",
    409,
    "The workspace would be left without an owner.",
    "Make somebody else owner first.",
)

NOT_OPEN = Kind(
    "invitation.not_open",
    409,
    "The invitation cannot be sent now.",
    "Wait a minute after the last mail; invite again what was accepted or revoked.",
)

_POINTERS = {"email": "/email", "role": "/role"}

RoleName = Literal["viewer", "editor", "owner"]


class WorkspaceTold(Told):
    """The tenant that the token belongs to."""

    id: UUID
    slug: str
    name: str
    created_at: datetime
    updated_at: datetime


class WorkspaceChange(Asked):
    """A new name."""

    name: Annotated[Name, Field(min_length=1, max_length=120)]


class MemberTold(Told):
    """A person in the workspace."""

    id: UUID = Field(description="Of the membership.")
    user_id: UUID
    email: str
    name: str
    role: RoleName
    created_at: datetime
    updated_at: datetime


class MemberPage(Page[MemberTold]):
    """Some members, newest first."""


class MemberChange(Asked):
    """Another role."""

    role: RoleName


class InvitationWish(Asked):
    """Somebody to invite."""

    email: Annotated[Line, Field(min_length=3, max_length=254, examples=["bob@example.org"])]
    role: RoleName = "viewer"


class InvitationTold(Told):
    """An offer to join, sent by mail. Its link is told to nobody else."""

    id: UUID
    email: str
    role: RoleName
    sent_at: datetime
    expires_at: datetime = Field(description="Afterwards it can only be sent again.")
    created_at: datetime


class InvitationPage(Page[InvitationTold]):
    """Some open invitations."""


class TokenTold(Told):
    """A token without its text, which was shown once."""

    id: UUID
    name: str
    hint: str = Field(description="How its text begins.")
    scopes: list[Literal["read", "library", "streams", "admin"]]
    created_by: UUID
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")


class TokenPage(Page[TokenTold]):
    """Some tokens, newest first."""


@endpoints.read("/workspace", response=WorkspaceTold)
def get_workspace(request: HttpRequest) -> WorkspaceTold:
    """Read the workspace of the token."""
    return _workspace(caller(request).workspace)


@endpoints.change("PATCH", "/workspace", Scope.ADMIN, response=WorkspaceTold, refusals=[CHANGED])
def rename_workspace(request: HttpRequest, body: WorkspaceChange) -> WorkspaceTold:
    """Rename the workspace. Its slug stays."""
    found = _owned(request)
    with unless_changed(request, found, lambda row: rendered(_workspace(row))):
        services.rename_workspace(workspace=found, name=body.name)
    return _workspace(found)


@endpoints.read("/members", response=MemberPage)
def list_members(request: HttpRequest, cursor: Cursor = "", limit: Limit = 50) -> MemberPage:
    """List the members of the workspace."""
    found = Membership.objects.filter(workspace=caller(request).workspace).select_related("user")
    return page_of(newest_first(found, cursor=cursor, limit=limit), member_told, MemberPage)


@endpoints.change(
    "PATCH",
    "/members/{uuid:member_id}",
    Scope.ADMIN,
    response=MemberTold,
    refusals=[NEEDS_OWNER, CHANGED],
)
def change_member(request: HttpRequest, member_id: UUID, body: MemberChange) -> MemberTold:
    """Give a member another role."""
    member = get_membership_for(caller(request), member_id)
    with unless_changed(request, member, lambda row: rendered(member_told(row))):
        try:
            services.change_role(
                membership=member, role=Role(body.role), by=caller(request).created_by
            )
        except ValidationError as error:
            raise Problem(NEEDS_OWNER, " ".join(error.messages)) from None
    return member_told(member)


@endpoints.change(
    "DELETE",
    "/members/{uuid:member_id}",
    Scope.ADMIN,
    response={204: None},
    refusals=[NEEDS_OWNER],
)
def remove_member(request: HttpRequest, member_id: UUID) -> Status[None]:
    """Shut a member out. The tokens they made stop working at once."""
    member = get_membership_for(caller(request), member_id)
    try:
        services.remove_member(membership=member, by=caller(request).created_by)
    except ValidationError as error:
        raise Problem(NEEDS_OWNER, " ".join(error.messages)) from None
    return Status(204, None)


@endpoints.change("GET", "/invitations", Scope.ADMIN, response=InvitationPage)
def list_invitations(
    request: HttpRequest, cursor: Cursor = "", limit: Limit = 50
) -> InvitationPage:
    """List the open invitations of the workspace, newest first."""
    found = invitations.open_of(_owned(request))
    return page_of(newest_first(found, cursor=cursor, limit=limit), invitation_told, InvitationPage)


@endpoints.change("POST", "/invitations", Scope.ADMIN, response={201: InvitationTold})
def invite(request: HttpRequest, body: InvitationWish) -> Status[Any]:
    """Invite somebody by mail."""
    token = caller(request)
    form = InvitationForm(body.model_dump())
    if not form.is_valid():
        raise Problem(INVALID, faults=faults_of(form.errors, _POINTERS))
    try:
        made, secret = invitations.invite(
            workspace=_owned(request),
            email=form.cleaned_data["email"],
            role=Role(form.cleaned_data["role"]),
            by=token.created_by,
        )
    except ValidationError as error:
        raise Problem(INVALID, faults=faults_of({"email": error.messages}, _POINTERS)) from None
    _send(request, made, secret)
    return Status(201, invitation_told(made))


@endpoints.change(
    "POST",
    "/invitations/{uuid:invitation_id}/resend",
    Scope.ADMIN,
    response={202: InvitationTold},
    refusals=[NOT_OPEN],
)
def resend_invitation(request: HttpRequest, invitation_id: UUID) -> Status[Any]:
    """Send a new link. The old one stops working."""
    token = caller(request)
    found = get_invitation_for(token, invitation_id)
    try:
        secret = invitations.renew(invitation=found, by=token.created_by)
    except ValidationError as error:
        raise Problem(NOT_OPEN, " ".join(error.messages)) from None
    found.refresh_from_db()
    _send(request, found, secret)
    return Status(202, invitation_told(found))


@endpoints.change("DELETE", "/invitations/{uuid:invitation_id}", Scope.ADMIN, response={204: None})
def revoke_invitation(request: HttpRequest, invitation_id: UUID) -> Status[None]:
    """Make an invitation useless."""
    token = caller(request)
    invitations.revoke(invitation=get_invitation_for(token, invitation_id), by=token.created_by)
    return Status(204, None)


@endpoints.change("GET", "/tokens", Scope.ADMIN, response=TokenPage)
def list_tokens(request: HttpRequest, cursor: Cursor = "", limit: Limit = 50) -> TokenPage:
    """List the tokens of the workspace.

    New ones are made by people, on the settings page or the command line.
    """
    found = ApiToken.objects.filter(workspace=_owned(request))
    return page_of(newest_first(found, cursor=cursor, limit=limit), token_told, TokenPage)


@endpoints.change("DELETE", "/tokens/{uuid:token_id}", Scope.ADMIN, response={204: None})
def revoke_token(request: HttpRequest, token_id: UUID) -> Status[None]:
    """Revoke a token, this one perhaps. It stops working at once."""
    token = caller(request)
    services.revoke_token(token=get_token_for(token, token_id), by=token.created_by)
    return Status(204, None)


def invitation_told(row: Invitation) -> InvitationTold:
    """An invitation, without what its link holds."""
    return InvitationTold.model_validate(
        {
            "id": row.pk,
            "email": row.email,
            "role": row.role,
            "sent_at": row.sent_at,
            "expires_at": row.expires_at,
            "created_at": row.created_at,
        }
    )


def member_told(row: Membership) -> MemberTold:
    """A member; reads the user."""
    return MemberTold.model_validate(
        {
            "id": row.pk,
            "user_id": row.user_id,
            "email": row.user.email,
            "name": row.user.name,
            "role": row.role,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
    )


def token_told(row: ApiToken) -> TokenTold:
    """A token."""
    return TokenTold.model_validate(
        {
            "id": row.pk,
            "name": row.name,
            "hint": row.hint,
            "scopes": row.scopes,
            "created_by": row.created_by_id,
            "created_at": row.created_at,
            "last_used_at": row.last_used_at,
        }
    )


def _workspace(row: Workspace) -> WorkspaceTold:
    return WorkspaceTold(
        id=row.pk,
        slug=row.slug,
        name=row.name,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _send(request: HttpRequest, invitation: Invitation, secret: str) -> None:
    address = request.build_absolute_uri(reverse("invitation", args=[secret]))
    invitations.send(invitation=invitation, by=caller(request).created_by, address=address)


def _owned(request: HttpRequest) -> Workspace:
    """The token's workspace, when its maker owns it."""
    token = caller(request)
    require(token, token.workspace, Role.OWNER)
    return token.workspace
