"""Several pumps under one control: who dies alone, who is adopted, who is emptied."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from judges import old_pump
from judges.clips import Clip, ClipShelf
from judges.nginx import NginxRtmp
from judges.tools import PATIENCE_SECONDS

from playout.media import HOUSE_AUDIO, video_profile
from playout.node import control
from playout.node.control import NodeConfig, run
from playout.prepare.plan import PrepareOptions
from playout.prepare.run import prepare
from playout.supervisor.ports import DesiredOutput
from playout.supervisor.states import OutputState
from playout.supervisor.supervisor import Supervisor, Timing
from playout.testing.memory_store import MemoryStore
from playout.timeline.programme import Item, Programme, Version

pytestmark = pytest.mark.integration

PROFILE = video_profile("480p30-economy")


@pytest.fixture(scope="module")
def item(make_clip: ClipShelf, tmp_path_factory: pytest.TempPathFactory) -> Item:
    directory = tmp_path_factory.mktemp("fleet") / "red"
    options = PrepareOptions(preset="ultrafast", normalise_loudness=False)
    prepare(make_clip(Clip("red", seconds=4)), PROFILE, directory, options=options)
    return Item("red", str(directory), str(directory), 4 * PROFILE.fps, "Red")


async def until(holds: Callable[[], object], *, what: str = "") -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < give_up, f"{what} takes too long"
        await asyncio.sleep(0.05)


class Fleet:
    """A node control in this process, with real pumps and a store in memory."""

    def __init__(self, directory: Path) -> None:
        self.store = MemoryStore()
        self.config = NodeConfig(
            "node", directory, pumps=2, policy="private", timing=Timing(sweep=0.2)
        )
        self.epoch_ns = time.time_ns()
        self._stop = asyncio.Event()
        self._leave = False
        self._task: asyncio.Task[None] | None = None

    def want(self, output_id: str, address: str, *items: Item, stream: str = "") -> None:
        versions = (Version(1, 0, items),)
        rate = PROFILE.rate
        programme = Programme(self.epoch_ns, rate, HOUSE_AUDIO.rate, versions, profile=PROFILE.id)
        self.store.want(
            DesiredOutput(
                output_id, 0, True, 0, address, f"key-{output_id}", programme, "Test",
                stream_id=stream or output_id,
            )
        )  # fmt: skip

    def start(self) -> None:
        self._stop, self._leave = asyncio.Event(), False
        self._task = asyncio.create_task(
            run(
                self.config, leases=self.store, desired=self.store, reports=self.store,
                stop=self._stop, leave_pumps=lambda: self._leave,
            )
        )  # fmt: skip

    async def stop(self, *, leave: bool = False) -> None:
        self._leave = leave
        self._stop.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def breaks(self) -> None:
        """Wait until control has ended by a defect."""
        assert self._task is not None
        await asyncio.wait((self._task,), timeout=PATIENCE_SECONDS)
        assert isinstance(self._task.exception(), ZeroDivisionError)

    def pid(self, name: str) -> int:
        """Of the process that holds this lock; 0 while a new one writes its own into it."""
        return int((self.config.directory / f"{name}.lock").read_text() or 0)

    def session(self, output_id: str) -> str:
        report = self.store.report_of(output_id)
        assert report is not None
        return report.session_id

    def is_on_air(self, *output_ids: str) -> bool:
        reports = [self.store.report_of(output_id) for output_id in output_ids]
        return all(r is not None and r.state is OutputState.ON_AIR for r in reports)

    async def on_air(self, *output_ids: str) -> None:
        await until(lambda: self.is_on_air(*output_ids), what=f"{output_ids} on air")

    def homes(self) -> dict[str, list[str]]:
        """Outputs of each pump process, as the pumps' journals have them."""
        found = {}
        for journal in sorted(self.config.directory.glob("pump-*.journal")):
            data = journal.read_bytes()[4096 : 4096 + 2048 * 4096]
            first_lines = {data[n : n + 2048].split(b"\n")[0] for n in range(0, len(data), 2048)}
            names = (line.rstrip(b"\0").decode() for line in first_lines)
            found[journal.stem] = sorted(name for name in names if name)
        return found

    def close(self) -> None:
        for lock in self.config.directory.glob("pump-*.lock"):
            with contextlib.suppress(OSError, ValueError):
                pid = int(lock.read_text())
                if b"pump" in command_of(pid):
                    os.kill(pid, signal.SIGKILL)


def command_of(pid: int) -> bytes:
    """The command line of a process; nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
async def fleet(tmp_path: Path, nginx_rtmp: NginxRtmp) -> AsyncIterator[Fleet]:
    directory = tmp_path / "node"
    directory.mkdir(mode=0o700)
    made = Fleet(directory)
    yield made
    await made.stop()
    made.close()


def publishes(server: NginxRtmp, output_id: str) -> list[str]:
    """What happened to the key of an output, in order."""
    calls = [c for c in server.gate.calls if c.key == f"key-{output_id}"]
    return [c.event for c in calls if c.event in ("publish", "publish_done")]


async def test_a_pump_that_dies_costs_only_its_own_outputs_and_they_stay_where_they_were(
    fleet: Fleet, nginx_rtmp: NginxRtmp, item: Item
) -> None:
    for name, stream in (("a", "one"), ("b", "two"), ("c", "one"), ("d", "three")):
        fleet.want(name, nginx_rtmp.url(), item, stream=stream)
    fleet.start()
    await fleet.on_air("a", "b", "c", "d")
    homes = fleet.homes()
    assert sorted(homes) == ["pump-0", "pump-1"]
    assert sorted(len(outputs) for outputs in homes.values()) in ([1, 3], [2, 2])
    home = {output_id: name for name, outputs in homes.items() for output_id in outputs}
    assert home["a"] == home["c"], "outputs of one stream go together"
    sessions = {name: fleet.session(name) for name in "abcd"}
    os.kill(fleet.pid(home["a"]), signal.SIGKILL)
    hit = homes[home["a"]]
    spared = [name for name in "abcd" if name not in hit]
    assert spared
    await until(lambda: all(fleet.session(name) != sessions[name] for name in hit), what="new")
    await fleet.on_air(*hit)
    assert {name: fleet.session(name) for name in spared} == {n: sessions[n] for n in spared}
    for name in "abcd":
        said = [e.code for e in fleet.store.events_of(name)]
        again = ["session.lost", "session.on_air"] if name in hit else []
        assert said == ["session.on_air", *again], "a gap is told, and nothing else"
    assert fleet.homes() == homes
    for name in spared:
        assert publishes(nginx_rtmp, name) == ["publish"]


async def test_a_restarted_control_finds_everything_where_it_was(
    fleet: Fleet, nginx_rtmp: NginxRtmp, item: Item
) -> None:
    for name in "abc":
        fleet.want(name, nginx_rtmp.url(), item)
    fleet.start()
    await fleet.on_air("a", "b", "c")
    homes, sessions = fleet.homes(), {name: fleet.session(name) for name in "abc"}
    await fleet.stop(leave=True)
    await asyncio.sleep(0.5)
    fleet.start()
    await asyncio.sleep(2)
    await fleet.on_air("a", "b", "c")
    assert fleet.homes() == homes
    assert {name: fleet.session(name) for name in "abc"} == sessions
    assert all(publishes(nginx_rtmp, name) == ["publish"] for name in "abc")


@pytest.mark.parametrize(
    "broken", [(Supervisor, "sweep"), (control.Fleet, "_forget_gone")], ids=["wishes", "pumps"]
)
async def test_a_defect_of_control_takes_nothing_off_the_air(
    fleet: Fleet, nginx_rtmp: NginxRtmp, item: Item, monkeypatch: pytest.MonkeyPatch, broken
) -> None:
    fleet.want("a", nginx_rtmp.url(), item)
    fleet.start()
    await fleet.on_air("a")
    session, pids = fleet.session("a"), [fleet.pid("pump-0"), fleet.pid("pump-1")]

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(*broken, fail)
        await fleet.breaks()
    fleet.start()
    await asyncio.sleep(1)
    await fleet.on_air("a")
    assert fleet.session("a") == session
    assert [fleet.pid("pump-0"), fleet.pid("pump-1")] == pids
    assert publishes(nginx_rtmp, "a") == ["publish"]


async def test_a_new_release_takes_outputs_over_one_by_one_with_one_reconnect_each(
    fleet: Fleet, nginx_rtmp: NginxRtmp, item: Item
) -> None:
    for name in "abc":
        fleet.want(name, nginx_rtmp.url(), item)
    fleet.start()
    await fleet.on_air("a", "b", "c")
    old = {fleet.pid("pump-0"), fleet.pid("pump-1")}
    await fleet.stop(leave=True)
    fleet.config = replace(fleet.config, release="the-next-one")
    fleet.start()
    once_more = ["publish", "publish_done", "publish"]
    await until(
        lambda: all(publishes(nginx_rtmp, name) == once_more for name in "abc"),
        what="every output in a pump of the new release",
    )  # fmt: skip
    await fleet.on_air("a", "b", "c")
    await until(lambda: not any(command_of(pid) for pid in old), what="the end of the old pumps")
    # One at a time: between the end of one and its return, no other one leaves.
    away: set[str] = set()
    for call in nginx_rtmp.gate.calls:
        if call.event == "publish_done":
            away.add(call.key)
        elif call.event == "publish":
            away.discard(call.key)
        assert len(away) <= 1
    assert all(publishes(nginx_rtmp, name) == once_more for name in "abc")


@pytest.mark.slow
async def test_nothing_starts_before_a_pump_of_another_version_has_ended(
    fleet: Fleet, nginx_rtmp: NginxRtmp, item: Item, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    old = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        [sys.executable, old_pump.__file__, "playout.node.pump_process",
         str(fleet.config.directory), "pump-0", str(ended)]
    )  # fmt: skip
    await until(lambda: (fleet.config.directory / "pump-0.sock").exists(), what="the old pump")
    fleet.want("a", nginx_rtmp.url(), item)
    fleet.start()
    await until(lambda: publishes(nginx_rtmp, "a"), what="a publisher")
    assert ended.stat().st_mtime < nginx_rtmp.recorded_files()[0].stat().st_ctime
    assert old.wait(60) == 0
    await fleet.on_air("a")


@pytest.mark.slow
async def test_a_frozen_pump_is_replaced_and_no_track_is_accused(
    fleet: Fleet, nginx_rtmp: NginxRtmp, item: Item
) -> None:
    fleet.config = replace(fleet.config, pumps=1, hang_seconds=2.0)
    fleet.want("a", nginx_rtmp.url(), item)
    fleet.start()
    await fleet.on_air("a")
    for _ in range(2):
        pid, session = fleet.pid("pump-0"), fleet.session("a")
        os.kill(pid, signal.SIGSTOP)
        await until(lambda session=session: fleet.session("a") != session, what="a new pump")
        await fleet.on_air("a")
        assert fleet.pid("pump-0") != pid
    assert not (fleet.config.directory / "quarantine.json").exists()


CURSE = """
import mmap, os
from pathlib import Path
from playout.pump.feed import Feed

order, take = Path({order!r}), Feed.take

def take_and_strike(feed, *asked):
    track = feed._video.track
    if track is None or str(track.directory) != {bad!r} or not order.exists():
        return take(feed, *asked)
    how = order.read_text()
    order.unlink()
    if how == "abort":
        os.abort()
    # What the feed itself maps is asked for its size; what some library maps is not.
    shrinking = os.open(order, os.O_RDWR | os.O_CREAT)
    os.write(shrinking, b"mapped")
    mapped = mmap.mmap(shrinking, 0, prot=mmap.PROT_READ)
    order.unlink()
    os.ftruncate(shrinking, 0)
    mapped[0]

Feed.take = take_and_strike
"""
"""Loaded by each pump: what a track may do to its process, at an order and at no other time."""


async def test_a_track_that_crashes_the_pump_twice_is_stepped_over_and_costs_others_two_reconnects(
    fleet: Fleet, nginx_rtmp: NginxRtmp, item: Item, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, order = tmp_path / "bad", tmp_path / "order"
    shutil.copytree(item.video, bad)
    (tmp_path / "curse").mkdir()
    curse = CURSE.format(order=str(order), bad=str(bad))
    (tmp_path / "curse" / "sitecustomize.py").write_text(curse)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "curse"), prepend=os.pathsep)
    poisoned = replace(item, id="bad", title="Cursed", video=str(bad), audio=str(bad))
    fleet.config = replace(fleet.config, pumps=1)
    fleet.want("healthy", nginx_rtmp.url(), item)
    fleet.want("ill", nginx_rtmp.url(), poisoned)
    fleet.start()
    await fleet.on_air("healthy", "ill")

    def codes() -> list[str]:
        return [event.code for event in fleet.store.events_of("ill")]

    for crash, how in enumerate(("bus error", "abort"), 1):
        assert "track.quarantined" not in codes()
        pid, session = fleet.pid("pump-0"), fleet.session("ill")
        order.write_text(how)
        await until(lambda pid=pid: fleet.pid("pump-0") not in (0, pid), what=f"crash {crash}")
        await until(lambda old=session: fleet.session("ill") != old, what="a new session")
        await fleet.on_air("healthy", "ill")
    pid = fleet.pid("pump-0")
    await until(lambda: "track.quarantined" in codes(), what="the quarantine")
    told = next(e for e in fleet.store.events_of("ill") if e.code == "track.quarantined")
    assert "“Cursed”" in told.text
    assert told.data["item"] == "bad"
    await until(lambda: "item.substituted" in codes(), what="a substitute")
    record = json.loads((fleet.config.directory / "quarantine.json").read_text())
    assert list(record) == [str(bad)], "no other track is so much as suspected"
    assert fleet.pid("pump-0") == pid
    assert fleet.is_on_air("healthy", "ill")
    for name in ("healthy", "ill"):
        assert publishes(nginx_rtmp, name).count("publish") == 3, "one reconnect for each crash"


@pytest.mark.slow
async def test_a_fatal_signal_from_outside_accuses_no_track(
    fleet: Fleet, nginx_rtmp: NginxRtmp, item: Item
) -> None:
    fleet.config = replace(fleet.config, pumps=1)
    fleet.want("a", nginx_rtmp.url(), item)
    fleet.start()
    await fleet.on_air("a")
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL):
        pid, session = fleet.pid("pump-0"), fleet.session("a")
        os.kill(pid, number)
        await until(lambda session=session: fleet.session("a") != session, what="a new pump")
        await fleet.on_air("a")
        assert fleet.pid("pump-0") != pid
    assert not (fleet.config.directory / "quarantine.json").exists()


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """This process may open nothing more; what is open stays."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.open(os.devnull, os.O_RDONLY)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


async def test_control_that_can_open_nothing_for_a_while_tends_its_pumps_afterwards(
    fleet: Fleet, nginx_rtmp: NginxRtmp, item: Item
) -> None:
    fleet.want("a", nginx_rtmp.url(), item)
    fleet.start()
    await fleet.on_air("a")
    session = fleet.session("a")
    (home,) = (name for name, outputs in fleet.homes().items() if outputs)
    pid = fleet.pid(home)
    with no_descriptors():
        await asyncio.sleep(1)
        assert fleet.session("a") == session, "what is on air stays"
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(1.5)
    await until(lambda: fleet.session("a") != session, what="a new session")
    await fleet.on_air("a")
