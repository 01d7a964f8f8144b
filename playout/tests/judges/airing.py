"""`playout air` as a process, and the programmes that tests put on air with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judges.clips import Clip
from judges.recording import Recording
from judges.tools import PATIENCE_SECONDS, wait_until

RATE = 30
LEAD_SECONDS = 1.5
GOP_SECONDS = 2.0


@dataclass(frozen=True)
class Track:
    """A prepared clip: where it is, what it looks and sounds like, how many pictures it has."""

    directory: Path
    clip: Clip
    frames: int


def prepare(source: Path, clip: Clip, directory: Path, *, profile: str = "480p30-economy") -> Track:
    """Run `playout prepare`, quickly."""
    done = subprocess.run(
        [sys.executable, "-m", "playout", "prepare", str(source), "--profile", profile,
         "--preset", "ultrafast", "--out", str(directory), "--json"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Track(directory, clip, json.loads(done.stdout)["frames"])


class Air:
    """`playout air --json` at work; all it says is kept."""

    def __init__(
        self,
        url: str | list[str],
        tracks: list[Track],
        *options: str,
        env: dict[str, str] | None = None,
    ) -> None:
        urls = [url] if isinstance(url, str) else url
        self.begun = time.monotonic()
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "playout", "air", *(f"--to={each}" for each in urls),
             *(str(track.directory) for track in tracks), "--json", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def text(self) -> str:
        """Everything it has written so far, errors included."""
        return "".join(self.lines)

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The events called `name`, or all of them."""
        found = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [event for event in found if name in ("", event["event"])]

    def wait_for(self, name: str, *, count: int = 1) -> None:
        """Wait until it has said `name` that often."""
        wait_until(
            lambda: len(self.events(name)) >= count,
            what=f"{count} x {name}; it said\n{self.text}",
        )  # fmt: skip

    def wait(self) -> int:
        """Wait for its own end; the exit status."""
        status = self._process.wait(PATIENCE_SECONDS)
        self._reading.join(PATIENCE_SECONDS)
        return status

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does; the exit status."""
        self._process.terminate()
        return self.wait()

    def close(self) -> None:
        if self.is_running:
            self._process.kill()
        self._process.wait()
        self._reading.join(PATIENCE_SECONDS)


def item_at(tracks: list[Track], frame: int) -> Track:
    """The item that a looped programme shows at `frame`."""
    frame %= sum(track.frames for track in tracks)
    for track in tracks:
        if frame < track.frames:
            return track
        frame -= track.frames
    raise AssertionError("a frame within the cycle belongs to an item")


def expected_stretches(tracks: list[Track], frames: int) -> list[tuple[str, int]]:
    """Colour and pictures of each item, in the order of a looped programme of `frames`."""
    found: list[tuple[str, int]] = []
    while sum(count for _, count in found) < frames:
        track = tracks[len(found) % len(tracks)]
        left = frames - sum(count for _, count in found)
        found.append((track.clip.colour, min(track.frames, left)))
    return found


def opening_seconds(recording: Recording, tracks: list[Track], around: float) -> float:
    """Which second of the looped programme a recording begins with.

    Found from its first change of colour; of all passes of the loop, the one nearest to `around`.
    """
    first, second = recording.stretches[:2]
    boundary = 0
    candidates = []
    cycle = sum(track.frames for track in tracks)
    for number, track in enumerate(tracks):
        boundary += track.frames
        following = tracks[(number + 1) % len(tracks)]
        if (track.clip.colour, following.clip.colour) == (first.colour, second.colour):
            candidates.append(boundary - first.frames)
    assert candidates, f"{first.colour} is never followed by {second.colour}"
    passes = range(-1, int(around * RATE / cycle) + 3)
    moments = [(start + turn * cycle) / RATE for start in candidates for turn in passes]
    return min(moments, key=lambda moment: abs(moment - around))
