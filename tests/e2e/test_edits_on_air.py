"""Edits on air, from the API to what a receiver got: one connection, every item as promised."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from tests.e2e.conftest import ROOT, Installation, without_settings
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(420)]

KEY = "edit-9f3k-hq2v-xm4t-0b8d"
KEY_ID = hashlib.sha256(KEY.encode()).hexdigest()[:16]
COLOURS = {"red": (254, 0, 0), "lime": (0, 255, 1), "blue": (0, 0, 254), "white": (255, 255, 255)}
SECONDS = 12
RECORDED_SECONDS = 45


class Api:
    """A program with a token of the demo's workspace."""

    def __init__(self, installation: Installation) -> None:
        self.address = f"{installation.address}/api/v1"
        environment = without_settings(dict(os.environ))
        made = subprocess.run(
            [sys.executable, "manage.py", "create_token", "demo@example.org", "--name", "edits",
             "--scope", "read", "--scope", "library", "--scope", "streams"],
            cwd=ROOT, capture_output=True, text=True, check=True,
            env=environment | {"DATA_DIR": str(installation.data_dir),
                               "ENV_FILE": str(installation.data_dir / ".env")},
        )  # fmt: skip
        self.token = made.stdout.split()[-1]

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.address}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def upload(self, path: Path) -> str:
        """Send a file in one piece; its id."""
        edge = "edge-of-the-form"
        body = (
            f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
            "Content-Type: video/mp4\r\n\r\n"
        ).encode() + path.read_bytes() + f"\r\n--{edge}--\r\n".encode()  # fmt: skip
        request = urllib.request.Request(
            f"{self.address}/assets", data=body,
            headers={"Authorization": f"Bearer {self.token}",
                     "Content-Type": f"multipart/form-data; boundary={edge}"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(json.load(answer)["id"])


@pytest.fixture
def clips(tmp_path: Path) -> dict[str, Path]:
    """One of each colour, with a tone."""
    made = {}
    for name in COLOURS:
        made[name] = tmp_path / f"{name}.mp4"
        subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin",
             "-f", "lavfi", "-i", f"color=c={name}:s=320x240:r=30:d={SECONDS}",
             "-f", "lavfi", "-i", f"sine=frequency=500:sample_rate=44100:duration={SECONDS}",
             "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
             str(made[name])],
            check=True,
        )  # fmt: skip
    return made


def record(installation: Installation, path: Path) -> None:
    """What the receiver hands to a viewer, for a while."""
    base = installation.setting("INGEST_SIMULATOR_HTTP")
    until = time.monotonic() + RECORDED_SECONDS
    address = f"{base}/live/{KEY_ID}.flv"
    with urllib.request.urlopen(address, timeout=60) as live, path.open("wb") as file:
        while time.monotonic() < until and (piece := live.read(4096)):
            file.write(piece)


def runs_of(recording: Path) -> list[tuple[str, int]]:
    """(colour, pictures) as they follow one another, as ffmpeg decodes them."""
    raw = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(recording), "-an",
         "-fps_mode", "passthrough", "-vf", "crop=2:2:iw/2:ih/2,scale=1:1", "-f", "rawvideo",
         "-pix_fmt", "rgb24", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    runs: list[tuple[str, int]] = []
    for at in range(0, len(raw) - 2, 3):
        pixel = raw[at : at + 3]
        name = min(
            COLOURS,
            key=lambda n: sum(abs(a - b) for a, b in zip(pixel, COLOURS[n], strict=True)),
        )
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    return runs


def test_skip_play_next_and_swap_keep_one_connection(
    installation: Installation, clips: dict[str, Path], tmp_path: Path
) -> None:
    api = Api(installation)
    assets = {name: api.upload(path) for name, path in clips.items()}
    for asset in assets.values():
        wait_until(
            lambda asset=asset: any(
                each["state"] == "ready"
                for each in api("GET", f"/assets/{asset}/renditions")["items"]
            ),
            "a clip is not prepared",
            seconds=180,
        )

    def playlist(name: str, *titles: str) -> str:
        made = api("POST", "/playlists", {"name": name})["id"]
        api("POST", f"/playlists/{made}/items", {"asset_ids": [assets[t] for t in titles]})
        return str(made)

    night, morning = playlist("Night", "red", "lime", "blue"), playlist("Morning", "blue", "red")
    stream = api("POST", "/streams", {
        "title": "Edited", "playlist_id": night, "profile": "480p30-economy@1",
        "destination": {"service": "other", "address": installation.setting("INGEST_SIMULATOR_URL"),
                        "key": KEY},
    })["id"]  # fmt: skip
    api("POST", f"/streams/{stream}/start")

    def received() -> dict[str, Any] | None:
        streams = installation.receiver()["streams"]
        return next((each for each in streams if each["id"] == KEY_ID), None)

    wait_until(lambda: (now := received()) and now["video_messages"], "no picture has arrived")
    recording = tmp_path / "received.flv"
    recorder = threading.Thread(target=record, args=(installation, recording))
    recorder.start()
    # Red is on, and lasts twelve seconds: it is cut at its first key frame three seconds ahead.
    skipped = api("POST", f"/streams/{stream}/skip", {})
    assert skipped["title"] == "lime"
    played = api("POST", f"/streams/{stream}/play-next", {"asset_id": assets["white"]})
    assert played["title"] == "lime" or played["title"] == "white"
    time.sleep(8)
    swapped = api("POST", f"/streams/{stream}/swap", {"playlist_id": morning, "at": "key"})
    assert swapped["title"] == "blue"
    expected = api("GET", f"/streams/{stream}/coming")["pictures"]
    recorder.join()
    now = received()
    assert now is not None
    assert now["sessions"] == 1, "the receiver saw more than one connection"
    api("POST", f"/streams/{stream}/stop")

    runs = runs_of(recording)
    titles = [name for name, _ in runs]
    whole = {name for name, count in runs if count == 30 * SECONDS}
    assert titles[0] == "red"
    assert titles[1] in ("lime", "white")
    swapped_at = titles.index("blue", 1)
    promised = [play["title"] for play in expected]
    assert titles[swapped_at:] == promised[promised.index("blue") :][: len(titles) - swapped_at]
    assert whole, f"nothing was shown from end to end: {runs}"
    # Cut at key frames, every two seconds, and nowhere else: no picture is missing or too many.
    assert all(count % 60 == 0 for _, count in runs[1:-1]), runs
