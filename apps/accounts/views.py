"""The front page, the settings of a workspace and its team, and a person's own settings."""

from __future__ import annotations

import uuid
from typing import cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.email_verification import send_verification_email_at_login
from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage, LoginStageController
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts import events, invitations, services
from apps.accounts.access import (
    current_workspace,
    get_invitation_for,
    get_membership_for,
    get_token_for,
    require,
)
from apps.accounts.forms import InvitationForm, ProfileForm, RoleForm, TokenForm, WorkspaceForm
from apps.accounts.models import ApiToken, Invitation, Membership, Role, User, Workspace


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What this is, for somebody who is not signed in."""
    if request.user.is_authenticated:
        return redirect("/dashboard/")
    return render(request, "home.html")


@login_required
@require_http_methods(["GET", "POST"])
def settings_page(request: HttpRequest) -> HttpResponse:
    """The name of a workspace; POST renames."""
    workspace = current_workspace(request)
    role = require(request.user, workspace)
    form = WorkspaceForm(request.POST or None, initial={"name": workspace.name})
    if request.method == "POST":
        require(request.user, workspace, Role.OWNER)
        if form.is_valid():
            services.rename_workspace(workspace=workspace, name=form.cleaned_data["name"])
            messages.success(request, "The workspace has its new name.")
            return redirect(workspace)
    return render(
        request,
        "accounts/settings.html",
        {
            "workspace": workspace,
            "form": form,
            "may_manage": role >= Role.OWNER,
        },
    )


# -- team -----------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def team(request: HttpRequest) -> HttpResponse:
    """Members, open invitations and what changed; POST invites."""
    workspace = current_workspace(request)
    role = require(request.user, workspace)
    form = InvitationForm(request.POST or None)
    if request.method == "POST":
        require(request.user, workspace, Role.OWNER)
        if form.is_valid():
            try:
                invitation, secret = invitations.invite(
                    workspace=workspace,
                    email=form.cleaned_data["email"],
                    role=Role(form.cleaned_data["role"]),
                    by=_user(request),
                )
            except ValidationError as refused:
                form.add_error("email", refused)
            else:
                _send_invitation(request, invitation, secret)
                messages.success(
                    request, _("The invitation is on its way to %s.") % invitation.email
                )
                return redirect(_team_of(workspace))
    may_manage = role >= Role.OWNER
    members = list(Membership.objects.filter(workspace=workspace).select_related("user"))
    return render(
        request,
        "accounts/team.html",
        {
            "workspace": workspace,
            "form": form,
            "members": members,
            "owners": sum(member.role == Role.OWNER for member in members),
            "own": next(member for member in members if member.user_id == request.user.pk),
            "roles": Role.choices,
            "may_manage": may_manage,
            "invitations": list(invitations.open_of(workspace)) if may_manage else [],
            "changes": events.of_team(workspace) if may_manage else [],
            "now": timezone.now(),
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def resend_invitation(request: HttpRequest, invitation_id: uuid.UUID) -> HttpResponse:
    """Send a new link; the old one stops working."""
    invitation = get_invitation_for(request.user, invitation_id)
    try:
        secret = invitations.renew(invitation=invitation, by=_user(request))
    except ValidationError as refused:
        messages.error(request, refused.messages[0])
    else:
        _send_invitation(request, invitation, secret)
        messages.success(request, _("A new invitation is on its way to %s.") % invitation.email)
    return redirect(_team_of(invitation.workspace))


@login_required
@require_POST
def revoke_invitation(request: HttpRequest, invitation_id: uuid.UUID) -> HttpResponse:
    """Make an invitation useless."""
    invitation = get_invitation_for(request.user, invitation_id)
    if invitations.revoke(invitation=invitation, by=_user(request)):
        messages.success(request, _("The invitation of %s is revoked.") % invitation.email)
    return redirect(_team_of(invitation.workspace))


@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """What somebody sees who follows the link of an invitation; POST accepts."""
    found = invitations.find(secret)
    user = request.user
    is_theirs = user.is_authenticated and invitations.is_for(found, user)
    if request.method == "POST":
        if not user.is_authenticated:
            raise PermissionDenied("Sign in first.")
        try:
            invitations.accept(invitation=found, user=user)
        except ValidationError as refused:
            messages.error(request, refused.messages[0])
            return redirect("home")
        messages.success(request, _("Welcome to %s.") % found.workspace.name)
        return redirect(f"/dashboard/?workspace={found.workspace.slug}")
    if not user.is_authenticated:
        # The link came by mail: who signs up with this address now has shown that it is theirs.
        get_adapter().stash_verified_email(request, found.email)
    return render(
        request,
        "accounts/invitation.html",
        {"invitation": found, "is_theirs": is_theirs, "role_label": Role(found.role).label},
    )


def _send_invitation(request: HttpRequest, invitation: Invitation, secret: str) -> None:
    address = request.build_absolute_uri(reverse("invitation", args=[secret]))
    invitations.send(invitation=invitation, by=_user(request), address=address)


@login_required
@require_POST
def change_role(request: HttpRequest, membership_id: uuid.UUID) -> HttpResponse:
    """Give a member another role."""
    membership = get_membership_for(request.user, membership_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose one of the roles."))
        return redirect(_team_of(membership.workspace))
    role = Role(form.cleaned_data["role"])
    try:
        services.change_role(membership=membership, role=role, by=_user(request))
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        messages.success(
            request,
            _("%(email)s has the role %(role)s now.")
            % {"email": membership.user.email, "role": role.label},
        )
    return redirect(_team_of(membership.workspace))


@login_required
@require_http_methods(["GET", "POST"])
def remove_member(request: HttpRequest, membership_id: uuid.UUID) -> HttpResponse:
    """Ask, then shut a member out."""
    membership = get_membership_for(request.user, membership_id)
    if request.method != "POST":
        return _ask(
            request,
            membership.workspace,
            title=_("Remove %s?") % membership.user.email,
            body=_("They lose access at once, and their API tokens stop working."),
            label=_("Remove"),
        )
    try:
        services.remove_member(membership=membership, by=_user(request))
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        messages.success(request, _("%s is no longer a member.") % membership.user.email)
    return redirect(_team_of(membership.workspace))


@login_required
@require_http_methods(["GET", "POST"])
def leave_team(request: HttpRequest) -> HttpResponse:
    """Ask, then give up one's own membership."""
    workspace = current_workspace(request)
    require(request.user, workspace)
    if request.method != "POST":
        return _ask(
            request,
            workspace,
            title=_("Leave %s?") % workspace.name,
            body=_("You lose access at once. Only an owner can let you in again."),
            label=_("Leave"),
        )
    own = Membership.objects.get(user=_user(request), workspace=workspace)
    try:
        services.remove_member(membership=own, by=_user(request))
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect(_team_of(workspace))
    services.ensure_workspace(user=_user(request))
    messages.success(request, _("You left %s.") % workspace.name)
    return redirect("/dashboard/")


@login_required
@require_http_methods(["GET", "POST"])
def transfer_workspace(request: HttpRequest, membership_id: uuid.UUID) -> HttpResponse:
    """Ask, then hand the workspace over to a member."""
    membership = get_membership_for(request.user, membership_id)
    workspace = membership.workspace
    if request.method != "POST":
        return _ask(
            request,
            workspace,
            title=_("Hand over to %s?") % membership.user.email,
            body=_("They become the owner and you become an editor. Only they can undo it."),
            label=_("Hand over"),
        )
    try:
        services.transfer_ownership(workspace=workspace, to=membership, by=_user(request))
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        messages.success(request, _("%s is the owner now.") % membership.user.email)
    return redirect(_team_of(workspace))


# -- API tokens -----------------------------------------------------------------------------------


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The API tokens of a workspace, for owners; POST makes one and shows its text, once."""
    workspace = current_workspace(request)
    require(request.user, workspace, Role.OWNER)
    form = TokenForm(request.POST or None)
    made = ""
    if request.method == "POST" and form.is_valid():
        _token, made = services.create_token(
            workspace=workspace,
            by=_user(request),
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
        )
        form = TokenForm()
    return render(
        request,
        "accounts/tokens.html",
        {
            "workspace": workspace,
            "form": form,
            "made": made,
            "tokens": ApiToken.objects.filter(workspace=workspace).select_related("created_by"),
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_http_methods(["GET", "POST"])
def revoke_token(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """Ask, then make a token worthless."""
    token = get_token_for(request.user, token_id)
    back = f"{reverse('tokens')}?workspace={token.workspace.slug}"
    if request.method != "POST":
        return _ask(
            request,
            token.workspace,
            title=_("Revoke %s?") % token.name,
            body=_("Programs that use this token are refused at once."),
            label=_("Revoke"),
            back=back,
        )
    services.revoke_token(token=token, by=_user(request))
    messages.success(request, _("%s is revoked.") % token.name)
    return redirect(back)


def _ask(request: HttpRequest, workspace: Workspace, **question: str) -> HttpResponse:
    return render(
        request,
        "accounts/ask.html",
        {"workspace": workspace, "back": _team_of(workspace), **question},
    )


def _team_of(workspace: Workspace) -> str:
    return f"{reverse('team')}?workspace={workspace.slug}"


def _user(request: HttpRequest) -> User:
    """Who is signed in; only for views that need it."""
    return cast(User, request.user)


@login_required
@require_POST
def hide_first_steps(request: HttpRequest) -> HttpResponse:
    """Take the list of first steps off this person's dashboard."""
    workspace = current_workspace(request)
    require(request.user, workspace)
    services.hide_first_steps(user=_user(request), workspace=workspace)
    back = request.POST.get("next", "")
    if not (back.startswith("/") and url_has_allowed_host_and_scheme(back, allowed_hosts=None)):
        back = f"/dashboard/?workspace={workspace.slug}"
    return redirect(back)


# -- one's own account ----------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Name and e-mail address; POST changes the name."""
    user = _user(request)
    form = ProfileForm(request.POST or None, initial={"name": user.name})
    if request.method == "POST" and form.is_valid():
        services.rename_user(user=user, name=form.cleaned_data["name"])
        messages.success(request, _("Your name is saved."))
        return redirect("profile")
    addresses = list(EmailAddress.objects.filter(user=user))
    return render(
        request,
        "accounts/profile.html",
        {
            "form": form,
            "confirmed": any(a.verified and a.email == user.email for a in addresses),
            "pending": next((a for a in addresses if a.email != user.email), None),
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_GET
def security(request: HttpRequest) -> HttpResponse:
    """Everything about signing in, in one place: four queries."""
    user = _user(request)
    factors: dict[str, list[Authenticator]] = {}
    for factor in Authenticator.objects.filter(user=user):
        factors.setdefault(factor.type, []).append(factor)
    codes = factors.get(Authenticator.Type.RECOVERY_CODES)
    return render(
        request,
        "accounts/security.html",
        {
            "has_password": user.has_usable_password(),
            "totp": factors.get(Authenticator.Type.TOTP),
            "passkeys": factors.get(Authenticator.Type.WEBAUTHN, []),
            "codes_left": len(codes[0].wrap().get_unused_codes()) if codes else None,
            "sessions": UserSession.objects.filter(user=user).count(),
            "google": _google_of(user),
            "changes": events.of_account(user),
        },
    )


def _google_of(user: User) -> SocialAccount | None:
    found: SocialAccount | None = SocialAccount.objects.filter(user=user, provider="google").first()
    return found


@login_required
@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """End every session of this person, this one too."""
    for session in UserSession.objects.filter(user=_user(request)):
        session.end()
    get_adapter().logout(request)
    messages.success(request, _("You are signed out everywhere."))
    return redirect("account_login")


@require_POST
def resend_confirmation(request: HttpRequest) -> HttpResponse:
    """Send the link to confirm an address again, once a minute.

    Somebody who signed up with an address that has an account gets the same answer.
    """
    stage = LoginStageController.enter(request, EmailVerificationStage.key)
    if stage is None:
        messages.info(request, _("Sign in, and we send you another link."))
        return redirect("account_login")
    if not send_verification_email_at_login(request, stage.login):
        messages.warning(request, _("A mail was sent a moment ago. Wait a minute."))
    return redirect("account_email_verification_sent")


@login_required
@require_GET
def to_security(request: HttpRequest) -> HttpResponse:
    """The library's own overview; ours shows the same and more."""
    return redirect("security")
