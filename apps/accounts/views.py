"""The front page and the settings of a workspace."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts import services
from apps.accounts.access import current_workspace, get_membership_for, require
from apps.accounts.forms import MemberForm, RoleForm, WorkspaceForm
from apps.accounts.models import Membership, Role


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What this is, for somebody who is not signed in."""
    if request.user.is_authenticated:
        return redirect("/dashboard/")
    return render(request, "home.html")


@login_required
@require_http_methods(["GET", "POST"])
def settings_page(request: HttpRequest) -> HttpResponse:
    """Name and members; POST renames."""
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
            "member_form": MemberForm(),
            "members": Membership.objects.filter(workspace=workspace).select_related("user"),
            "roles": Role.choices,
            "may_manage": role >= Role.OWNER,
        },
    )


@login_required
@require_POST
def add_member(request: HttpRequest) -> HttpResponse:
    """Let somebody in."""
    workspace = current_workspace(request)
    require(request.user, workspace, Role.OWNER)
    form = MemberForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Enter an e-mail address and choose a role.")
        return redirect(workspace)
    try:
        member = services.add_member(
            workspace=workspace,
            email=form.cleaned_data["email"],
            role=Role(form.cleaned_data["role"]),
        )
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        messages.success(request, f"{member.user.email} is a member now.")
    return redirect(workspace)


@login_required
@require_POST
def change_role(request: HttpRequest, membership_id: uuid.UUID) -> HttpResponse:
    """Give a member another role."""
    membership = get_membership_for(request.user, membership_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the roles.")
        return redirect(membership.workspace)
    try:
        services.change_role(membership=membership, role=Role(form.cleaned_data["role"]))
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        messages.success(request, f"{membership.user.email} has the role {membership.role} now.")
    return redirect(membership.workspace)


@login_required
@require_POST
def remove_member(request: HttpRequest, membership_id: uuid.UUID) -> HttpResponse:
    """Shut a member out."""
    membership = get_membership_for(request.user, membership_id)
    try:
        services.remove_member(membership=membership)
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        messages.success(request, f"{membership.user.email} is no longer a member.")
    return redirect("settings")
