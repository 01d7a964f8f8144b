"""How a request obtains anything of this app. What is foreign or missing looks the same: 404."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404

from apps.accounts.access import Caller, note_role, require, with_role
from apps.accounts.models import Role
from apps.youtube.models import Channel


def get_channel_for(user: Caller, channel_id: UUID, role: Role = Role.VIEWER) -> Channel:
    """The channel, when `user` has at least `role` in its workspace; `.role` is what they have.

    Raises `Http404` for strangers and `PermissionDenied` for members whose role is too low.
    """
    channels = Channel.objects.select_related("workspace", "client").filter(pk=channel_id)
    channel = with_role(channels, user).first()
    if channel is None:
        raise Http404("There is no such channel.")
    note_role(user, channel, channel.workspace)
    channel.role = require(user, channel.workspace, role)
    return channel
