"""The pages that are measured, each by the address that somebody opens first."""

from __future__ import annotations

from apps.accounts.models import Workspace
from apps.library.models import Asset
from apps.library.selectors import asset_page
from apps.streaming.models import Playlist, Stream
from apps.youtube.models import Channel

MOST_QUERIES = 6
"""Of a page, whatever the rows; reading session, user and workspaces counts."""


def pages_of(workspace: Workspace, stream: Stream) -> dict[str, str]:
    """Addresses by name."""
    asset = Asset.objects.filter(workspace=workspace).order_by("-created_at", "-pk")[0]
    playlist = Playlist.objects.filter(workspace=workspace).order_by("name")[0]
    channel = Channel.objects.filter(workspace=workspace).order_by("-created_at")[0]
    here = f"?workspace={workspace.slug}"
    middle = asset_page(workspace).older
    return {
        "dashboard": f"/dashboard/{here}",
        "library": f"/library/{here}",
        "library, second page": f"/library/{here}&before={middle}",
        "library, search": f"/library/{here}&q=night",
        "library, search for nothing": f"/library/{here}&q=zzz",
        "file": f"/library/{asset.pk}/",
        "streams": f"/streams/{here}",
        "stream": f"/streams/{stream.pk}/",
        "stream, moving part": f"/streams/{stream.pk}/live/",
        "stream, ready?": f"/streams/{stream.pk}/ready/",
        "stream, what comes": f"/streams/{stream.pk}/programme/",
        "stream, details": f"/streams/{stream.pk}/details/",
        "stream, what arrived": f"/streams/{stream.pk}/arrived/",
        "stream, form": f"/streams/{stream.pk}/edit/",
        "playlists": f"/playlists/{here}",
        "playlist": f"/playlists/{playlist.pk}/",
        "playlist, choices": f"/playlists/{playlist.pk}/choices/?q=night",
        "channels": f"/channels/{here}",
        "channel": f"/channels/{channel.pk}/",
        "channels, quota": f"/channels/quota/{here}",
        "stream, on YouTube": f"/streams/{stream.pk}/youtube/",
        "settings": f"/settings/{here}",
        "team": f"/settings/team/{here}",
        "security": "/settings/security/",
        "sessions": "/accounts/sessions/",
    }
