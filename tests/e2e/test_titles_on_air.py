"""Titles of songs, from the switch in the API to the pictures that a receiver hands on."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from tests.e2e.conftest import Installation
from tests.e2e.test_edits_on_air import Api
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

KEY = "titles-9f3k-hq2v-xm4t-0b8d"
KEY_ID = hashlib.sha256(KEY.encode()).hexdigest()[:16]
SONG_SECONDS = 25
RECORDED_SECONDS = 70
GOP = 60


def made(path: Path, *arguments: str) -> Path:
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *arguments, str(path)],
        check=True, timeout=60,
    )  # fmt: skip
    return path


def lower_thirds(file: Path) -> list[bytes]:
    """The lower third of each picture, small and grey."""
    raw = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(file), "-an", "-fps_mode",
         "passthrough", "-vf", "crop=iw:ih/3:0:ih*2/3,scale=64:16:flags=area,format=gray",
         "-f", "rawvideo", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    return [raw[at : at + 1024] for at in range(0, len(raw), 1024)]


def test_the_workers_letter_what_the_node_shows_on_one_connection(
    installation: Installation, tmp_path: Path
) -> None:
    api = Api(installation)
    loop = api.upload(made(
        tmp_path / "Blue.mp4", "-f", "lavfi", "-i", "color=c=blue:s=320x180:r=30:d=8",
        "-f", "lavfi", "-i", "sine=duration=8", "-c:v", "libx264", "-preset", "ultrafast",
        "-pix_fmt", "yuv420p", "-c:a", "aac",
    ))  # fmt: skip
    songs = [
        api.upload(made(tmp_path / f"{title}.m4a", "-f", "lavfi", "-i",
                        f"sine=frequency={hertz}:duration={SONG_SECONDS}", "-c:a", "aac"))
        for title, hertz in (("First song", 400), ("Second song", 600))
    ]  # fmt: skip
    lists = {}
    for name, assets in (("Pictures", [loop]), ("Music", songs)):
        lists[name] = api("POST", "/playlists", {"name": name})["id"]
        api("POST", f"/playlists/{lists[name]}/items", {"asset_ids": assets})
    stream = api("POST", "/streams", {
        "title": "Titled", "playlist_id": lists["Pictures"], "music_id": lists["Music"],
        "title_cards": "band", "profile": "480p30-economy@1",
        "destination": {"service": "other", "address": installation.setting("INGEST_SIMULATOR_URL"),
                        "key": KEY},
    })["id"]  # fmt: skip
    for asset in (loop, *songs):
        wait_until(
            lambda asset=asset: any(
                each["state"] == "ready"
                for each in api("GET", f"/assets/{asset}/renditions")["items"]
            ),
            "something is not prepared",
            seconds=240,
        )
    api("POST", f"/streams/{stream}/start")

    def received() -> dict[str, Any] | None:
        streams = installation.receiver()["streams"]
        return next((each for each in streams if each["id"] == KEY_ID), None)

    wait_until(lambda: (now := received()) and now["video_messages"], "no picture has arrived")
    base = installation.setting("INGEST_SIMULATOR_HTTP")
    recording, pictures = tmp_path / "received.flv", list[bytes]()
    titled: list[tuple[bool, int]] = []
    give_up = time.monotonic() + 330
    # A sweep asks, a worker letters, a sweep tells, and every node has a minute to hear of it.
    while sum(count for is_titled, count in titled[1:-1] if is_titled) < 5 * GOP:
        assert time.monotonic() < give_up, f"no title was shown: {titled}"
        until = time.monotonic() + RECORDED_SECONDS
        with (
            urllib.request.urlopen(f"{base}/live/{KEY_ID}.flv", timeout=60) as live,
            recording.open("wb") as file,
        ):
            while time.monotonic() < until and (piece := live.read(4096)):
                file.write(piece)
        pictures = lower_thirds(recording)
        flat = [max(picture) - min(picture) < 40 for picture in pictures]
        titled = [(not key, len(list(run))) for key, run in itertools.groupby(flat)]
    now = received()
    assert now is not None
    assert now["sessions"] == 1, "the receiver saw more than one connection"
    api("POST", f"/streams/{stream}/stop")
    # Whole groups, at the beginning of each song, for ten seconds.
    assert all(count == 5 * GOP for is_titled, count in titled[1:-1] if is_titled), titled
    assert all(count % GOP == 0 for _, count in titled[1:-1]), titled
