"""What a pump keeps of what is over, or never began."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from playout import clock
from playout.media import TrackKind
from playout.node import pump_process
from playout.node.deadline import Deadline
from playout.node.journal import Journal
from playout.node.messages import desired_to_json
from playout.node.pump_process import Pump
from playout.publisher.output import OutputOptions
from playout.pump import prefetch
from playout.pump.prefetch import Prefetch
from playout.supervisor.ports import DesiredOutput
from playout.testing.tracks import programme_of, write_item


@pytest.fixture
def wish(tmp_path: Path) -> DesiredOutput:
    programme = programme_of(write_item(tmp_path, "a", 60), epoch_ns=clock.utc_ns())
    return DesiredOutput("one", 1, True, 1, "rtmp://localhost:1/live", "key", programme)


def pump(directory: Path, options: OutputOptions | None = None) -> Pump:
    journal = Journal(directory / "journal")
    journal.begin(clock.boottime_ns())
    return Pump(Deadline(directory / "deadline"), options or OutputOptions(), journal=journal)


async def test_an_output_that_is_dropped_before_it_began_is_gone(
    tmp_path: Path, wish: DesiredOutput
) -> None:
    # As control's words are when they waited for a pump that was held.
    it = pump(tmp_path)
    it.take({"type": "set", "output": desired_to_json(wish)})
    it.take({"type": "drop", "output_id": "one", "graceful": False})
    for _ in range(5):
        await asyncio.sleep(0)
    assert it.outputs == {}


async def test_what_cannot_begin_takes_no_place_in_the_journal(
    tmp_path: Path, wish: DesiredOutput
) -> None:
    it = pump(tmp_path)
    values = desired_to_json(wish) | {"address": "gopher://localhost/live"}
    assert it.journal is not None
    for number in range(4090):
        it.journal.enter(f"other {number}")
    for generation in range(10):
        it.take({"type": "set", "output": {**values, "generation": generation}})
    it.take({"type": "set", "output": desired_to_json(wish) | {"output_id": "two"}})
    assert it.outputs["one"].finished
    assert it.outputs["two"].slot
    it.take({"type": "drop", "output_id": "two", "graceful": True})
    await asyncio.wait([it.outputs["two"].task], timeout=10)


def is_held(directory: Path) -> bool:
    """Whether this process keeps what lay in `directory` on the disk."""
    maps = Path("/proc/self/maps").read_text()
    files = [str(link.resolve()) for link in Path("/proc/self/fd").iterdir()]
    return any(f"{directory}/" in held for held in (maps, *files))


async def test_the_disk_has_the_room_of_deleted_tracks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_process, "TIDY_SECONDS", 0.05)
    monkeypatch.setattr(prefetch, "ROUND_SECONDS", 0.01)
    reading = Prefetch()
    it = pump(tmp_path, OutputOptions(prefetch=reading))
    running = asyncio.create_task(it.run())
    for name in ("deleted", "kept"):
        played = it.shelf.track(write_item(tmp_path, name, 60).video, TrackKind.VIDEO)
        await asyncio.wrap_future(reading.want(played, 0, 1000))
        it.shelf.track(str(played.directory), TrackKind.AUDIO)
    del played
    assert is_held(tmp_path / "deleted")
    shutil.rmtree(tmp_path / "deleted")
    give_up = time.monotonic() + 10
    while is_held(tmp_path / "deleted"):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.02)
    assert is_held(tmp_path / "kept")
    it.stop()
    await running
    reading.close()


class Held:
    """A control that was stopped: what is written to it waits."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.reads = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.lines.append(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.reads.set()

    async def drain(self) -> None:
        await self.reads.wait()


async def test_a_control_that_does_not_read_is_not_told_more_and_more(
    tmp_path: Path, wish: DesiredOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_process, "REPORT_SECONDS", 0.01)
    monkeypatch.setattr(pump_process, "COALESCE_SECONDS", 0.001)
    it, control = pump(tmp_path), Held()
    it.greet(control)
    running = asyncio.create_task(it.run())
    it.take({"type": "set", "output": desired_to_json(wish)})
    await asyncio.sleep(0.3)
    assert len(control.lines) <= 2
    control.reads.set()
    give_up = time.monotonic() + 60
    while len(control.lines) < 10:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)
    assert any(b'"output_id":"one"' in line for line in control.lines[1:])
    it.stop()
    await running


def test_it_may_open_as_many_files_as_the_system_lets_it() -> None:
    script = """
import resource
from playout.node.pump_process import allow_many_files
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
allow_many_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
