"""Pages of channels: connect, look after, disconnect."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ParamSpec, cast
from urllib.parse import urlsplit
from uuid import UUID

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import current_workspace, require
from apps.accounts.models import Role, User, Workspace
from apps.youtube import quota, selectors
from apps.youtube.access import get_channel_for
from apps.youtube.client import Retry, YouTubeError
from apps.youtube.forms import OwnClientForm
from apps.youtube.models import OPERATOR, Channel
from apps.youtube.services import alerts, connecting
from apps.youtube.services.connecting import SESSION_NONCE, ConnectRefused
from apps.youtube.services.tokens import credentials_of

logger = logging.getLogger(__name__)

_Asked = ParamSpec("_Asked")


def leads_to_google(view: Callable[_Asked, HttpResponse]) -> Callable[_Asked, HttpResponse]:
    """Let the page's forms lead to Google's consent screen.

    Chromium holds redirects after a form to the page's policy as well, and a workspace can have a
    Google client where the installation has none.
    """
    parts = urlsplit(settings.GOOGLE_AUTHORIZE_URL)
    widen = csp_update({"form-action": [f"{parts.scheme}://{parts.netloc}"]})
    return cast(Callable[_Asked, HttpResponse], widen(cast(Any, view)))


@leads_to_google
@login_required
@require_GET
def channels(request: HttpRequest) -> HttpResponse:
    """The channels of a workspace, and what waits for a person."""
    workspace = current_workspace(request)
    role = require(request.user, workspace)
    own = selectors.own_client_of(workspace)
    found = list(selectors.channels_of(workspace))
    return render(
        request,
        "youtube/channels.html",
        {
            "workspace": workspace,
            "channels": [(one, connecting.advice_of(one)) for one in found],
            "alerts": [
                (alerts.title_of(one), alerts.advice_of(one))
                for one in selectors.open_alerts(workspace)
            ],
            "may_connect": role >= Role.OWNER,
            "can_connect": credentials_of(own) is not None,
            "own": own,
            "standing": quota.standing(own.project if own else OPERATOR),
        },
    )


@login_required
@require_POST
def connect(request: HttpRequest) -> HttpResponse:
    """Go to Google's consent screen for a new channel."""
    workspace = current_workspace(request)
    require(request.user, workspace, Role.OWNER)
    return _depart(request, workspace, None)


@login_required
@require_POST
def channel_reconnect(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Go there again for a channel whose access was lost."""
    found = get_channel_for(request.user, channel_id, Role.OWNER)
    return _depart(request, found.workspace, found)


def _depart(request: HttpRequest, workspace: Workspace, found: Channel | None) -> HttpResponse:
    try:
        departure = connecting.begin(
            workspace=workspace,
            by=cast(User, request.user),
            redirect_uri=_return_address(request),
            nonce=request.session.get(SESSION_NONCE, ""),
            channel=found,
        )
    except ConnectRefused as refused:
        messages.error(request, str(refused))
        return redirect(_list_of(workspace))
    request.session[SESSION_NONCE] = departure.nonce
    return HttpResponseRedirect(departure.address)


@login_required
@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Back from the consent screen. What did not begin in this session ends here, unused."""
    user = cast(User, request.user)
    attempt = None
    if state := request.GET.get("state", "")[:200]:
        attempt = connecting.take_attempt(
            state=state, user=user, nonce=request.session.get(SESSION_NONCE, "")
        )
    if attempt is None:
        return render(request, "youtube/attempt_unknown.html", status=400)
    workspace = attempt.workspace
    # Roles may have changed while they were away.
    require(user, workspace, Role.OWNER)
    back = attempt.channel.get_absolute_url() if attempt.channel else _list_of(workspace)
    if answered := request.GET.get("error", ""):
        logger.info("The consent screen answered %s.", answered[:40])
        if answered == "access_denied":
            messages.info(request, _("Nothing was connected: access was not given on Google."))
        else:
            messages.error(request, _("Google did not let you connect a channel. Try again."))
        return redirect(back)
    try:
        found = connecting.finish(
            attempt=attempt,
            code=request.GET.get("code", "")[:2000],
            redirect_uri=_return_address(request),
            by=user,
        )
    except ConnectRefused as refused:
        messages.error(request, str(refused))
        return redirect(back)
    try:
        connecting.check_eligibility(channel=found)
    except YouTubeError as error:
        logger.info("Channel %s could not be checked yet: %s.", found.pk, error.code)
    messages.success(request, _("“%(title)s” is connected.") % {"title": found.title})
    return redirect(found)


@leads_to_google
@login_required
@require_GET
def channel(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """One channel: its access, whether it may go live, what is and was live."""
    found = get_channel_for(request.user, channel_id)
    broadcasts = selectors.noted_broadcasts(found)
    return render(
        request,
        "youtube/channel.html",
        {
            "workspace": found.workspace,
            "channel": found,
            "advice": connecting.advice_of(found),
            "shows": selectors.wanted_shows(found, broadcasts),
            "broadcasts": selectors.recent(broadcasts),
            "standing": quota.standing(found.project),
            "may_connect": found.role >= Role.OWNER,
            "may_edit": found.role >= Role.EDITOR,
        },
    )


@login_required
@require_POST
def channel_check(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Ask YouTube whether it may go live now."""
    found = get_channel_for(request.user, channel_id, Role.EDITOR)
    try:
        connecting.check_eligibility(channel=found)
    except YouTubeError as error:
        if error.retry is not Retry.RECONNECT:  # which its page says already
            messages.error(request, error.text)
    else:
        messages.success(request, _("YouTube was asked just now."))
    return redirect(found)


@login_required
@require_http_methods(["GET", "POST"])
def channel_disconnect(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Ask, then give the access back."""
    found = get_channel_for(request.user, channel_id, Role.OWNER)
    if request.method == "POST":
        confirmed = connecting.disconnect(channel=found)
        messages.success(request, _("“%(title)s” is disconnected.") % {"title": found.title})
        if not confirmed:
            messages.info(
                request,
                _("Google did not confirm it. Remove us at myaccount.google.com/connections too."),
            )
        return redirect(_list_of(found.workspace))
    return render(
        request,
        "youtube/disconnect.html",
        {"workspace": found.workspace, "channel": found},
    )


@login_required
@require_http_methods(["GET", "POST"])
def own_client(request: HttpRequest) -> HttpResponse:
    """The workspace's own Google client."""
    workspace = current_workspace(request)
    require(request.user, workspace, Role.OWNER)
    own = selectors.own_client_of(workspace)
    form = OwnClientForm(request.POST or None, own=own)
    if request.method == "POST" and form.is_valid():
        connecting.set_own_client(workspace=workspace, **form.cleaned_data)
        messages.success(request, _("The client is saved. Channels connected from now on use it."))
        return redirect(_list_of(workspace))
    context: dict[str, Any] = {
        "workspace": workspace,
        "form": form,
        "own": own,
        "return_address": _return_address(request),
    }
    return render(request, "youtube/client.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def own_client_remove(request: HttpRequest) -> HttpResponse:
    """Use the operator's again."""
    workspace = current_workspace(request)
    require(request.user, workspace, Role.OWNER)
    try:
        connecting.remove_own_client(workspace=workspace)
    except ConnectRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The client was removed."))
    return redirect(_list_of(workspace))


@login_required
@require_GET
def quota_page(request: HttpRequest) -> HttpResponse:
    """What is left of today's units, and what they went to."""
    workspace = current_workspace(request)
    require(request.user, workspace)
    own = selectors.own_client_of(workspace)
    projects = [OPERATOR, *([own.project] if own else [])]
    return render(
        request,
        "youtube/quota.html",
        {
            "workspace": workspace,
            "standings": [
                (quota.standing(project), quota.used_by(workspace.pk, project, quota.today()))
                for project in projects
            ],
            "entries": quota.entries_of(workspace),
        },
    )


def _return_address(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("youtube:callback"))


def _list_of(workspace: Workspace) -> str:
    return f"{reverse('youtube:channels')}?{urlencode({'workspace': workspace.slug})}"
