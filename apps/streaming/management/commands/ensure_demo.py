"""`manage.py ensure_demo`: a demo channel of two small clips, on air to the local receiver."""

from __future__ import annotations

import subprocess
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from django.conf import settings
from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.core.management.base import BaseCommand, CommandError
from django.utils.crypto import get_random_string

from apps.accounts.models import User, Workspace
from apps.accounts.services import DEMO_EMAIL, DEMO_WORKSPACE
from apps.library.models import Asset, AssetState, TrackState
from apps.library.services import UploadRefused, receive_file, request_rendition
from apps.streaming import stream_manager
from apps.streaming.models import Playlist, StartPolicy, Stream
from playout.media import video_profile

TITLE = "Demo channel"
PROFILE = "480p30-economy"

# Two sources that differ in size, shape, frame rate and sound, as people's files do.
CLIPS = {
    "Colour bars, 25 fps": [
        "-f", "lavfi", "-i", "smptehdbars=size=1280x720:rate=25:duration=8",
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=8",
        "-filter_complex", "[0:v]{text}[v];[1:a]pan=stereo|c0=c0|c1=c0[a]",
        "-map", "[v]", "-map", "[a]",
    ],
    "Upright phone clip, mono": [
        "-f", "lavfi", "-i", "testsrc2=size=608x1080:rate=30:duration=6",
        "-f", "lavfi", "-i", "sine=frequency=660:sample_rate=22050:duration=6",
        "-filter_complex", "[0:v]{text}[v]", "-map", "[v]", "-map", "1:a",
    ],
}  # fmt: skip


class Command(BaseCommand):
    """Makes what is missing of the demo, and starts it. May be run at any time, again and again."""

    help = "Create the demo channel, and put it on air to the receiver of this installation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How patient to be."""
        parser.add_argument("--wait", type=float, default=300.0, help="seconds to wait for media")

    def handle(self, *args: Any, wait: float = 300.0, **options: Any) -> None:
        """Clips, playlist, stream, start."""
        address = settings.INGEST_SIMULATOR_URL
        if not address:
            raise CommandError(
                "INGEST_SIMULATOR_URL is empty: the demo needs the receiver that `manage.py up` "
                "brings."
            )
        workspace = Workspace.objects.filter(slug=DEMO_WORKSPACE).first()
        user = User.objects.filter(email=DEMO_EMAIL).first()
        if workspace is None or user is None:
            raise CommandError("The demo account is missing. Run `manage.py up`, which makes it.")
        stream = Stream.objects.filter(workspace=workspace, title=TITLE).first()
        if stream is None:
            assets = _assets(workspace, user)
            playlist = Playlist.objects.filter(workspace=workspace, name=TITLE).first()
            if playlist is None:
                playlist = stream_manager.create_playlist(workspace=workspace, name=TITLE)
                stream_manager.add_items(playlist=playlist, assets=assets)
            stream = stream_manager.create_stream(
                workspace=workspace,
                title=TITLE,
                playlist=playlist,
                profile=video_profile(PROFILE).id,
                start_policy=StartPolicy.CLOCK,
                address=address,
                key=f"demo-{get_random_string(24, 'abcdefghijkmnpqrstuvwxyz23456789')}",
                by=user,
            )
        _keep_address(stream, address)
        if stream.playlist is None:
            raise CommandError("The demo channel has no playlist any more. Choose one for it.")
        assets = list(Asset.objects.filter(playlist_items__playlist=stream.playlist))
        if not assets:
            raise CommandError(
                "The playlist of the demo channel is empty. Put a file into it, or delete the "
                "channel: it is made anew with the next start."
            )
        # One ready clip is enough to begin: the others join at the next item.
        _wait_for_one(assets, wait)
        if stream_manager.start_stream(stream=stream):
            self.stdout.write(f"{TITLE} was started.")
        else:
            self.stdout.write(f"{TITLE} is wished on air already.")


def _assets(workspace: Workspace, user: User) -> list[Asset]:
    assets = []
    for title, recipe in CLIPS.items():
        asset = Asset.objects.filter(
            workspace=workspace, title=title, deleted_at=None
        ).exclude(state__in=[AssetState.FAILED, AssetState.UPLOADING]).first()  # fmt: skip
        if asset is None:
            with tempfile.TemporaryDirectory(prefix="streamer-demo-") as directory:
                path = Path(directory) / f"{title}.mp4"
                _make_clip(path, recipe, title)
                with path.open("rb") as file:
                    upload = UploadedFile(File(file), name=path.name, size=path.stat().st_size)
                    try:
                        asset = receive_file(workspace=workspace, by=user, file=upload)
                    except UploadRefused as refused:
                        raise CommandError(f"The demo clip was not taken in: {refused}") from None
        request_rendition(asset=asset, profile=PROFILE)
        assets.append(asset)
    return assets


def _make_clip(path: Path, recipe: list[str], title: str) -> None:
    moving = "drawbox=x='mod(t*90,iw-80)':y=ih*0.82:w=80:h=ih*0.06:color=white:t=fill"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y",
        *(part.replace("{text}", moving) for part in recipe),
        "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
        "-c:a", "aac", "-b:a", "96k", "-metadata", f"title={title}", str(path),
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise CommandError(f"The demo clip could not be made: {done.stderr.strip()[-300:]}")


def _keep_address(stream: Stream, address: str) -> None:
    """The receiver may listen on another port than the last time."""
    output = stream.outputs.select_related("destination").first()
    if output is None or output.destination.address == address:
        return
    stream_manager.stop_stream(stream=stream, reason="The receiver has moved to another port.")
    stream_manager.update_stream(
        stream=stream,
        title=stream.title,
        playlist=stream.playlist,
        profile=stream.profile,
        loop=stream.loop,
        start_policy=stream.start_policy,
        address=address,
    )


def _wait_for_one(assets: list[Asset], seconds: float) -> None:
    profile = video_profile(PROFILE).id
    deadline = time.monotonic() + seconds
    while True:
        renditions = [
            rendition
            for asset in assets
            for rendition in asset.renditions.select_related("video", "audio")
            if rendition.profile == profile
        ]
        if any(rendition.state == TrackState.READY for rendition in renditions):
            return
        failures = [rendition.failure for rendition in renditions if rendition.failure]
        if failures and len(failures) == len(assets):
            raise CommandError(
                f"The demo clips could not be prepared: {failures[0].failure_message} "
                f"{failures[0].failure_advice}"
            )
        if time.monotonic() > deadline:
            raise CommandError(
                f"No demo clip was prepared within {seconds:g} s. See the log of the worker."
            )
        time.sleep(0.2)
