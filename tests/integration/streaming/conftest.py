"""Media and streams for the tests of this folder."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import User, Workspace
from apps.library.models import Asset, Rendition, Track
from apps.streaming import stream_manager
from apps.streaming.models import Playlist, Stream

PROFILE = "480p30-economy@1"
ADDRESS = "rtmps://a.rtmps.youtube.com:443/live2"
KEY = "abcd-efgh-ijkl-mnop"


@pytest.fixture(autouse=True)
def _policy(settings: Any) -> None:
    settings.DESTINATION_POLICY = "known"
    settings.DESTINATION_ALLOWLIST = ["127.0.0.1:19350"]


def make_asset(
    workspace: Workspace, title: str, *, state: str = "ready", seconds: int = 10
) -> Asset:
    """A file in the library, without any bytes."""
    ready = state == "ready"
    return Asset.objects.create(
        workspace=workspace,
        title=title,
        state=state,
        kind="video" if ready else "",
        duration_ms=1000 * seconds if ready else None,
        storage_key="x" if ready else "",
        failure_code="source.corrupt" if state == "failed" else "",
    )


def prepare(asset: Asset, *, profile: str = PROFILE, seconds: int = 10) -> Asset:
    """Say that the asset's tracks are ready."""
    ready = {"state": "ready", "prefix": f"tracks/{asset.pk}"}
    video, _ = Track.objects.update_or_create(
        asset=asset, kind="video", profile=profile, defaults={**ready, "frames": 30 * seconds}
    )
    audio, _ = Track.objects.update_or_create(
        asset=asset,
        kind="audio",
        profile="aac-44100-stereo@1",
        defaults={**ready, "frames": 43 * seconds + 1},
    )
    Rendition.objects.get_or_create(
        asset=asset, profile=profile, defaults={"video": video, "audio": audio}
    )
    return asset


def make_stream(
    workspace: Workspace,
    playlist: Playlist | None,
    *,
    title: str = "Channel",
    key: str = KEY,
    **values: Any,
) -> Stream:
    """A stream that is off."""
    values = {"profile": PROFILE, "address": ADDRESS} | values
    return stream_manager.create_stream(
        workspace=workspace, title=title, playlist=playlist, key=key, **values
    )


@pytest.fixture
def playlist(workspace: Workspace) -> Playlist:
    """Three prepared items of ten seconds: A, B, C."""
    playlist = stream_manager.create_playlist(workspace=workspace, name="Night")
    stream_manager.add_items(
        playlist=playlist, assets=[prepare(make_asset(workspace, title)) for title in "ABC"]
    )
    return playlist


@pytest.fixture
def stream(workspace: Workspace, playlist: Playlist, alice: User) -> Stream:
    """Alice's, ready to be started."""
    return make_stream(workspace, playlist, by=alice)
