"""What dies is replaced, what must not send does not, and the clock decides what is on air."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from judges import control_process
from judges.clips import Clip, ClipShelf
from judges.nginx import NginxRtmp
from judges.prepared import flv_of
from judges.recording import Recording, payload_md5
from judges.tools import end, wait_until

from playout.media import video_profile
from playout.prepare.plan import PrepareOptions
from playout.prepare.run import prepare

pytestmark = pytest.mark.integration

KEY = "node-test-key"
PROFILE = video_profile("480p30-economy")


@pytest.fixture(scope="session")
def tracks(make_clip: ClipShelf, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("node-tracks")
    options = PrepareOptions(preset="ultrafast", normalise_loudness=False)
    out = []
    for number, colour in enumerate(("red", "green")):
        out.append(root / colour)
        prepare(make_clip(Clip(colour, seconds=4 + number)), PROFILE, out[-1], options=options)
    return out


class Node:
    """A node control of its own process, and what it reports."""

    def __init__(self, directory: Path, server: NginxRtmp, tracks: list[Path]) -> None:
        self.directory = directory
        self.epoch_ns = time.time_ns()
        self.reports: list[dict[str, object]] = []
        self._server = server
        self._tracks = tracks
        self.control: subprocess.Popen[bytes] | None = None

    def start(self, *, deadline: float = 6.0) -> None:
        self.control = subprocess.Popen(
            [sys.executable, control_process.__file__, str(self.directory), self._server.url(), KEY,
             str(self.epoch_ns), str(deadline), *map(str, self._tracks)],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        threading.Thread(target=self._read, args=(self.control,), daemon=True).start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout, contextlib.suppress(ValueError):
            for line in process.stdout:
                self.reports.append(json.loads(line))

    @property
    def state(self) -> object:
        return self.reports[-1]["state"] if self.reports else None

    @property
    def pump_pid(self) -> int:
        return int((self.directory / "pump-0.lock").read_text())

    def wait_for(self, state: str) -> None:
        wait_until(lambda: self.state == state, what=f"state {state}")

    def kill_control(self) -> None:
        assert self.control is not None
        self.control.kill()
        self.control.wait()

    def kill_pump(self) -> None:
        os.kill(self.pump_pid, signal.SIGKILL)

    def close(self) -> None:
        if self.control is not None:
            end(self.control)
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.pump_pid, signal.SIGKILL)


@pytest.fixture
def node(tmp_path: Path, nginx_rtmp: NginxRtmp, tracks: list[Path]) -> Iterator[Node]:
    directory = tmp_path / "node"
    directory.mkdir(mode=0o700)
    running = Node(directory, nginx_rtmp, tracks)
    yield running
    running.close()


def assert_where_the_clock_says(
    recording: Path, node: Node, tracks: list[Path], between_ns: tuple[int, int]
):
    """The first picture was due between the kill and the sight of the new session, give or take
    the lead and the distance of key frames."""
    pictures = []
    for track in tracks:
        flv = flv_of(track, recording.with_suffix(f".{track.name}.flv"))
        pictures += payload_md5(flv, "v")
    played = payload_md5(recording, "v")
    # One picture does not tell: where they flash, all clips are white.
    ahead = pictures * (2 + len(played) // len(pictures))
    (begin,) = [n for n in range(len(pictures)) if ahead[n : n + len(played)] == played]
    cycle, first = len(pictures) / PROFILE.fps, begin / PROFILE.fps
    earliest = (between_ns[0] - node.epoch_ns) / 1e9 + 1.5 - 2.0
    latest = (between_ns[1] - node.epoch_ns) / 1e9 + 1.5
    assert (first - earliest) % cycle <= latest - earliest


def test_a_killed_pump_is_back_where_the_clock_says(node, nginx_rtmp, tracks):
    node.start()
    node.wait_for("on_air")
    nginx_rtmp.wait_for_media()
    killed_ns = time.time_ns()
    node.kill_pump()
    wait_until(lambda: len(nginx_rtmp.recorded_files()) == 2, what="a second session")
    seen_ns = time.time_ns()
    nginx_rtmp.wait_for_media(bytes_more=20_000)
    end(node.control)
    nginx_rtmp.wait_for_end(sessions=2)
    second = nginx_rtmp.recorded_files()[1]
    assert Recording(second).decode_errors == []
    assert_where_the_clock_says(second, node, tracks, (killed_ns, seen_ns))


def test_a_killed_control_that_is_restarted_costs_not_a_frame(node, nginx_rtmp):
    node.start()
    node.wait_for("on_air")
    nginx_rtmp.wait_for_media()
    pump = node.pump_pid
    node.kill_control()
    time.sleep(2)
    node.reports.clear()
    node.start()
    node.wait_for("on_air")
    nginx_rtmp.wait_for_media(bytes_more=40_000)
    assert node.pump_pid == pump
    end(node.control)
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()
    assert nginx_rtmp.publishers == 1
    assert set(recording.video_deltas) == {33, 34}
    assert set(recording.audio_deltas) <= {23, 24}
    assert recording.decode_errors == []


def test_control_and_pump_killed_together_come_back(node, nginx_rtmp, tracks):
    node.start()
    node.wait_for("on_air")
    nginx_rtmp.wait_for_media()
    killed_ns = time.time_ns()
    node.kill_control()
    node.kill_pump()
    node.start()
    wait_until(lambda: len(nginx_rtmp.recorded_files()) == 2, what="a second session")
    seen_ns = time.time_ns()
    nginx_rtmp.wait_for_media(bytes_more=20_000)
    end(node.control)
    nginx_rtmp.wait_for_end(sessions=2)
    assert_where_the_clock_says(nginx_rtmp.recorded_files()[1], node, tracks, (killed_ns, seen_ns))


def test_a_pump_whose_control_stays_away_stops_by_itself(node, nginx_rtmp):
    node.start(deadline=2.0)
    node.wait_for("on_air")
    nginx_rtmp.wait_for_media()
    node.kill_control()
    nginx_rtmp.wait_for_end()
    size = nginx_rtmp.recorded_bytes()
    time.sleep(1.5)
    assert nginx_rtmp.recorded_bytes() == size
    assert nginx_rtmp.publishers == 1


def test_a_pump_that_was_frozen_past_its_deadline_sends_not_a_byte_more(node, nginx_rtmp):
    node.start(deadline=2.0)
    node.wait_for("on_air")
    nginx_rtmp.wait_for_media()
    pump = node.pump_pid
    node.kill_control()
    os.kill(pump, signal.SIGSTOP)
    time.sleep(4)
    size = nginx_rtmp.recorded_bytes()
    os.kill(pump, signal.SIGCONT)
    nginx_rtmp.wait_for_end()
    # The last second or so was sent before the freeze and only now read; nothing is newer.
    assert nginx_rtmp.recorded_bytes() - size <= 4096


def test_a_restarted_receiver_is_served_again_within_five_seconds(node, nginx_rtmp):
    node.start()
    node.wait_for("on_air")
    nginx_rtmp.wait_for_media()
    nginx_rtmp.kill()
    node.wait_for("reconnecting")
    time.sleep(3)
    nginx_rtmp.start()
    nginx_rtmp.wait_for_media(bytes_more=5_000)


def test_a_stop_ends_the_recording_with_everything_that_was_sent(node, nginx_rtmp):
    node.start()
    node.wait_for("on_air")
    nginx_rtmp.wait_for_media()
    assert end(node.control) == 0
    nginx_rtmp.wait_for_end()
    assert nginx_rtmp.recording().decode_errors == []
    assert not (node.directory / "pump-0.sock").exists()
