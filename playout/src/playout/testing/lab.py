"""Faults against real processes, sockets and clocks, at production constants.

    python -m playout.testing.lab [--only F2 --only F7] [--json]

Node controls run here; their pumps are processes of their own, which publish over real sockets,
through a proxy that misbehaves, to a sink that writes down every message. Each scenario measures
what a viewer would have noticed and compares it with its limit. Faults are numbered as in
docs/reference/testing.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import itertools
import json
import logging
import os
import random
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from playout import clock
from playout.node.config import NodeConfig
from playout.node.control import run
from playout.supervisor.ports import DesiredOutput
from playout.supervisor.states import OutputState
from playout.testing import history
from playout.testing.memory_store import MemoryStore
from playout.testing.node import StoreLink
from playout.testing.proxy import FaultProxy
from playout.testing.recording import Manners, SessionRecord
from playout.testing.sink import RecordingSink
from playout.testing.tracks import programme_of, write_item
from playout.timeline.programme import Programme

SECOND = 10**9
GOP = 60
PICTURE_BYTES = 5000
"""1.2 Mbit/s at 30 frames a second."""
_F_SETPIPE_SZ = 1031


@dataclass(slots=True)
class Finding:
    """One figure of one fault."""

    fault: str
    what: str
    value: float
    limit: float
    unit: str = "s"
    samples: int = 1

    @property
    def holds(self) -> bool:
        """Whether the value is within its limit."""
        return self.value <= self.limit


@dataclass(slots=True)
class Lab:
    """What all scenarios share."""

    directory: Path
    chance: random.Random
    programme: Programme
    findings: list[Finding] = field(default_factory=list)

    def found(
        self, fault: str, what: str, value: float, limit: float, unit: str = "s", samples: int = 1
    ) -> None:
        """Note a figure."""
        self.findings.append(Finding(fault, what, round(value, 3), limit, unit, samples))


class Node:
    """A control in this process with pumps of its own."""

    def __init__(
        self, directory: Path, name: str, store: MemoryStore, *, hang_seconds: float = 10.0
    ) -> None:
        self.directory = directory / name
        self.store = StoreLink(store)
        self.config = NodeConfig(name, self.directory, policy="private", hang_seconds=hang_seconds)
        self._stop = asyncio.Event()
        self._leave = False
        self._task = asyncio.create_task(
            run(
                self.config,
                leases=self.store,
                desired=self.store,
                reports=self.store,
                stop=self._stop,
                leave_pumps=lambda: self._leave,
            )
        )

    @property
    def pump_pids(self) -> list[int]:
        """Of the pump processes that run, found by their directory."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                    if b"playout.node.pump_process" in command and (
                        str(self.directory).encode() in command
                    ):
                        found.append(int(entry.name))
        return found

    async def stop(self) -> None:
        """End it, and its pumps."""
        self._stop.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                await asyncio.wait((self._task,))
        self._task.cancel()
        for pid in self.pump_pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)


class Scene:
    """A sink, a proxy in front of it, a store and its nodes."""

    def __init__(
        self, lab: Lab, directory: Path, sink: RecordingSink, proxies: list[FaultProxy]
    ) -> None:
        self.lab = lab
        self.directory = directory
        self.sink = sink
        self.proxies = proxies
        self.store = MemoryStore()
        self.nodes: list[Node] = []

    def node(self, name: str, *, hang_seconds: float = 10.0) -> Node:
        """Start another node, which kills a pump that gets no turn for `hang_seconds`."""
        self.nodes.append(Node(self.directory, name, self.store, hang_seconds=hang_seconds))
        self.store.other_nodes = len(self.nodes) - 1
        return self.nodes[-1]

    def want(self, key: str = "key", *, proxy: int = 0, address: str = "") -> None:
        """Wish an output on."""
        address = address or f"rtmp://127.0.0.1:{self.proxies[proxy].port}/live"
        self.store.want(DesiredOutput(key, 0, True, 0, address, key, self.lab.programme, key))

    def media(self, key: str = "key") -> int:
        """Messages of media that came so far."""
        return sum(1 for session in self.sink.of(key) for _ in session.media())

    async def on_air(self, key: str = "key", *, seconds: float = 40.0) -> None:
        """Wait until more media has come."""
        before = self.media(key)
        await self.sink.wait_for(lambda: self.media(key) > before + 30, seconds=seconds)

    async def steady(self, key: str = "key") -> None:
        """Wait until the stream has earned a fresh back-off."""
        await self.on_air(key)
        await asyncio.sleep(11.5)

    async def next_key_frame(
        self, since_ns: int, key: str = "key", *, seconds: float = 60
    ) -> float:
        """Seconds from `since_ns` to the first key frame of a session that opened later."""

        def first() -> int | None:
            for session in self.sink.of(key):
                if session.asked_ns > since_ns:
                    found = next((a.at_ns for a in session.media() if a.is_key), None)
                    if found is not None:
                        return found
            return None

        await self.sink.wait_for(lambda: first() is not None, seconds=seconds)
        return ((first() or 0) - since_ns) / SECOND

    def violations(self) -> list[str]:
        """What must hold of all sessions, whatever was done to them."""
        found = []
        for key in {session.key for session in self.sink.sessions}:
            sessions = self.sink.of(key)
            found += history.one_at_a_time(sessions)
            for session in sessions:
                found += history.times_never_fall(session)
                found += history.opens_properly(session)
        return found


@asynccontextmanager
async def scene(lab: Lab, name: str, *, proxies: int = 1) -> AsyncIterator[Scene]:
    """A scene that ends with everything it started."""
    directory = lab.directory / name
    directory.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        sink = await stack.enter_async_context(RecordingSink(manners=Manners()))
        between = [
            await stack.enter_async_context(FaultProxy("127.0.0.1", sink.port))
            for _ in range(proxies)
        ]
        made = Scene(lab, directory, sink, between)
        try:
            yield made
        finally:
            for node in made.nodes:
                await node.stop()
        broken = made.violations()
        lab.found(name, "invariants I1, I3, I4 violated", len(broken), 0, "times")
        for text in broken[:5]:
            logging.getLogger(__name__).error("%s: %s", name, text)


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# -- scenarios ------------------------------------------------------------------------------------


async def begins(lab: Lab, *, times: int = 10) -> None:
    """Start: what `playout air` takes from the command on, the interpreter's start included."""
    async with scene(lab, "start") as air:
        item = lab.programme.versions[0].items[0]
        took = []
        for number in range(times):
            key = f"key-{number}"
            since = clock.monotonic_ns()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "playout", "air", "--to", air.sink.url(key), item.video,
                "--loop",
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            try:
                took.append(await air.next_key_frame(since, key))
            finally:
                process.kill()
                await process.wait()
        lab.found("start", "command to key frame, p50", statistics.median(took), 1.0, samples=times)
        lab.found("start", "command to key frame, max", max(took), 2.0, samples=times)


async def resets(lab: Lab, *, outputs: int = 20, each: int = 10) -> None:
    """F1: 200 resets at random moments of streams that are on air."""
    async with scene(lab, "F1", proxies=outputs) as air:
        node = air.node("a")
        keys = [f"key-{n}" for n in range(outputs)]
        for n, key in enumerate(keys):
            air.want(key, proxy=n)
        took: list[float] = []

        async def suffer(number: int, key: str) -> None:
            await air.on_air(key)
            for _ in range(each):
                await asyncio.sleep(lab.chance.uniform(11.0, 14.0))
                since = clock.monotonic_ns()
                air.proxies[number].reset()
                took.append(await air.next_key_frame(since, key))

        await asyncio.gather(*(suffer(n, key) for n, key in enumerate(keys)))
        lab.found("F1", "reset to key frame, p50", statistics.median(took), 1.0, samples=len(took))
        lab.found("F1", "reset to key frame, p99", _percentile(took, 0.99), 5.0, samples=len(took))
        lab.found("F1", "reset to key frame, max", max(took), 8.0, samples=len(took))
        assert node.pump_pids  # noqa: S101 - one process carried all of it


async def black_hole(lab: Lab) -> None:
    """F2: nothing gets through in either direction, and the connection stays open."""
    async with scene(lab, "F2") as air:
        air.node("a")
        air.want()
        await air.steady()
        since = time.monotonic()
        air.proxies[0].change(lost_up=True, lost_down=True)
        degraded = lost = 0.0
        while not lost and time.monotonic() - since < 20:
            await asyncio.sleep(0.05)
            report = air.store.report_of("key")
            if report is not None and report.state is OutputState.DEGRADED and not degraded:
                degraded = time.monotonic() - since
            if report is not None and report.state is OutputState.RECONNECTING:
                lost = time.monotonic() - since
        healed = clock.monotonic_ns()
        air.proxies[0].change(lost_up=False, lost_down=False)
        lab.found("F2", "black hole doubted, buffers included", degraded or 99.0, 7.5)
        lab.found("F2", "black hole closed, buffers included", lost or 99.0, 10.5)
        lab.found("F2", "healed to key frame", await air.next_key_frame(healed), 16.0)


async def slow(lab: Lab) -> None:
    """F3: an ingest that takes 80 %, then 30 % of the bit rate."""
    async with scene(lab, "F3") as air:
        node = air.node("a")
        air.want()
        await air.steady()
        (pid,) = node.pump_pids
        before = resident_kb(pid)
        rate = PICTURE_BYTES * 30 * 1.1
        for share in (0.8, 0.3):
            air.proxies[0].change(bytes_per_second=rate * share)
            await asyncio.sleep(25)
        lab.found("F3", "memory grown by", (resident_kb(pid) - before) / 1024, 4.0, "MB")
        air.proxies[0].change(bytes_per_second=None)
        await asyncio.sleep(8)
        late = _late_seconds(air.sink.of("key"), lab.programme)
        lab.found("F3", "behind real time after release", late, 1.0)


async def one_stalled(lab: Lab, *, others: int = 19) -> None:
    """One of 20 streams takes nothing any more; how late are the turns of all others?"""
    async with scene(lab, "stall") as air:
        air.node("a")
        air.want()
        keys = [f"other-{n}" for n in range(others)]
        for key in keys:
            air.want(key, address=f"rtmp://127.0.0.1:{air.sink.port}/live")
        await air.steady()
        air.proxies[0].change(lost_up=True, lost_down=True)
        await asyncio.sleep(20)
        # Sent every 250 ms: what a gap is longer than that, a turn was late.
        gaps = [_longest_gap(air.sink.of(key)) for key in keys]
        late = max(report.late_ms for key in keys if (report := air.store.report_of(key)))
        lab.found("stall", "turns late, p99, one of 20 stalled", late, 50.0, "ms", others)
        lab.found("stall", "longest gap of the others", max(gaps), 0.3, samples=others)


async def name_unknown(lab: Lab) -> None:
    """F4: a host that does not exist, beside a stream that is on air."""
    async with scene(lab, "F4") as air:
        air.node("a")
        air.want()
        air.want("lost", address="rtmp://nowhere.invalid/live")
        await air.steady()
        report = air.store.report_of("lost")
        right = report is not None and report.error_code == "ingest.host_not_found"
        lab.found("F4", "unknown name not said", float(not right), 0, "times")
        lab.found("F4", "longest gap of the neighbour", _longest_gap(air.sink.of("key")), 1.0)


async def refused(lab: Lab) -> None:
    """F6: a key that is refused, hammered by nobody, and taken when it is right."""
    async with scene(lab, "F6") as air:
        air.sink.manners.refused.add("key")
        air.node("a")
        air.want()
        await air.sink.wait_for(lambda: air.sink.sessions, seconds=30)
        await asyncio.sleep(20)
        lab.found("F6", "attempts in 20 s", len(air.sink.sessions), 4, "times")
        since = clock.monotonic_ns()
        air.sink.manners.refused.clear()
        lab.found("F6", "accepted to key frame", await air.next_key_frame(since, seconds=90), 40.0)


async def zombie(lab: Lab) -> None:
    """F7 and F36: the holder is frozen for 40 s while another node takes over."""
    async with scene(lab, "F7") as air:
        # Its control must not put an end to the frozen pump: it is to wake up.
        first = air.node("a", hang_seconds=3600.0)
        air.want()
        await air.steady()
        air.node("b")
        air.store.other_nodes = 1
        await asyncio.sleep(27)
        pids = first.pump_pids
        since = clock.monotonic_ns()
        first.store.is_cut = True
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        gap = await air.next_key_frame(since, seconds=70)
        lab.found("F7", "holder lost to key frame of the next", gap, 45.0)
        await asyncio.sleep(max(0.0, 40 - gap))
        first.store.is_cut = False
        woken = clock.monotonic_ns()
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(8)
        old = [s for s in air.sink.of("key") if s.asked_ns < since]
        late = sum(1 for s in old for a in s.media() if a.at_ns > woken)
        lab.found("F36", "messages of the woken holder", late, 0, "times")


async def killed(lab: Lab, *, times: int = 12) -> None:
    """F12: SIGKILL at random moments."""
    async with scene(lab, "F12") as air:
        node = air.node("a")
        air.want()
        await air.on_air()
        took = []
        for _ in range(times):
            await asyncio.sleep(lab.chance.uniform(3.0, 6.0))
            since = clock.monotonic_ns()
            for pid in node.pump_pids:
                os.kill(pid, signal.SIGKILL)
            took.append(await air.next_key_frame(since))
        lab.found("F12", "killed to key frame, p50", statistics.median(took), 5.0, samples=times)
        lab.found("F12", "killed to key frame, max", max(took), 10.0, samples=times)


async def frozen(lab: Lab) -> None:
    """F13 and F36: a pump that gets no turn: 5 s are survived, a hang is ended and replaced."""
    async with scene(lab, "F13") as air:
        node = air.node("a")
        air.want()
        await air.steady()
        (pid,) = node.pump_pids
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(5)
        os.kill(pid, signal.SIGCONT)
        await air.on_air()
        lab.found("F36", "sessions after a pause of 5 s", len(air.sink.of("key")), 1, "times")
        since = clock.monotonic_ns()
        os.kill(pid, signal.SIGSTOP)
        lab.found(
            "F13", "hang to key frame of the successor", await air.next_key_frame(since), 25.0
        )


async def track_gone(lab: Lab) -> None:
    """F23: the next item's files are gone, truncated and swapped for noise while on air."""
    async with scene(lab, "F23") as air:
        items = [
            write_item(air.directory, name, 150, gop=GOP, picture_bytes=PICTURE_BYTES)
            for name in ("one", "two", "three")
        ]
        lab = replace(lab, programme=programme_of(*items, epoch_ns=clock.utc_ns()))
        air.lab = lab
        air.node("a")
        air.want()
        await air.on_air()
        Path(items[1].video).rename(f"{items[1].video}.gone")
        (Path(items[2].video) / "video.index").write_bytes(os.urandom(5000))
        await asyncio.sleep(25)
        lab.found("F23", "longest gap", _longest_gap(air.sink.of("key")), 1.0)
        lab.found("F23", "sessions", len(air.sink.of("key")), 1, "times")


async def far_away(lab: Lab) -> None:
    """F38: 200 ms of round trip."""
    async with scene(lab, "F38") as air:
        air.proxies[0].change(latency=0.1)
        air.node("a")
        air.want()
        await air.steady()
        await asyncio.sleep(15)
        late = _late_seconds(air.sink.of("key"), lab.programme)
        lab.found("F38", "behind real time at 200 ms", late, 0.0)
        lab.found("F38", "sessions", len(air.sink.of("key")), 1, "times")


async def no_descriptors(lab: Lab) -> None:
    """F39: the pump may open nothing more; what is on air stays, what is new waits."""
    async with scene(lab, "F39") as air:
        node = air.node("a")
        air.want()
        await air.steady()
        (pid,) = node.pump_pids
        taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        first_free = next(n for n in itertools.count() if n not in taken)
        usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free, usual[1]))
        before = len(air.sink.of("key"))
        air.want("new")
        await asyncio.sleep(10)
        lab.found("F39", "sessions lost", len(air.sink.of("key")) - before, 0, "times")
        lab.found("F39", "longest gap", _longest_gap(air.sink.of("key")), 1.0)
        report = air.store.report_of("new")
        said = report is not None and bool(report.error_code)
        lab.found("F39", "new one without a reason", float(not said), 0, "times")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
        since = clock.monotonic_ns()
        lab.found("F39", "freed to key frame", await air.next_key_frame(since, "new"), 20.0)


async def full_pipe(lab: Lab) -> None:
    """F40: nobody reads what `playout air` says."""
    async with scene(lab, "F40") as air:
        item = lab.programme.versions[0].items[0]
        reading, writing = os.pipe()
        fcntl.fcntl(writing, _F_SETPIPE_SZ, 4096)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "playout", "air", "--to", air.sink.url("key"), item.video,
            "--loop", "--json",
            stdin=asyncio.subprocess.DEVNULL, stdout=writing, stderr=writing,
        )  # fmt: skip
        os.close(writing)
        try:
            await air.on_air()
            for _ in range(4):
                # Each reset makes it say more; often enough would look like a wrong key.
                await asyncio.sleep(12)
                air.sink.reset()
            await asyncio.sleep(12)
            quiet = (clock.monotonic_ns() - (_last_media(air.sink.of("key")) or 0)) / SECOND
            lab.found("F40", "silent for", quiet, 5.0)
        finally:
            process.kill()
            await process.wait()
            os.close(reading)


def resident_kb(pid: int) -> int:
    """Private memory of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    return 0


def _late_seconds(sessions: Sequence[SessionRecord], programme: Programme) -> float:
    """How far the newest media is behind the programme's clock; below 0 is ahead."""
    arrival = max((a for s in sessions for a in s.media()), key=lambda a: a.at_ns)
    # The sink's clock and the wall are read at one instant, so one can be told from the other.
    utc_ns = clock.utc_ns() - (clock.monotonic_ns() - arrival.at_ns)
    return (utc_ns - programme.epoch_ns) / SECOND - arrival.timestamp / 1000


def _longest_gap(sessions: Sequence[SessionRecord]) -> float:
    instants = sorted(a.at_ns for s in sessions for a in s.media())
    return max((b - a for a, b in itertools.pairwise(instants)), default=0) / SECOND


def _last_media(sessions: Sequence[SessionRecord]) -> int | None:
    return max((s.last_media_ns for s in sessions if s.last_media_ns is not None), default=None)


SCENARIOS: dict[str, Callable[[Lab], Awaitable[None]]] = {
    "start": begins,
    "F1": resets,
    "F2": black_hole,
    "F3": slow,
    "stall": one_stalled,
    "F4": name_unknown,
    "F6": refused,
    "F7": zombie,
    "F12": killed,
    "F13": frozen,
    "F23": track_gone,
    "F38": far_away,
    "F39": no_descriptors,
    "F40": full_pipe,
}


async def measure(only: Sequence[str], *, at_once: int = 4, seed: int = 1) -> list[Finding]:
    """Run the scenarios, a few at a time; what they found, in their order."""
    places = asyncio.Semaphore(at_once)
    with tempfile.TemporaryDirectory(prefix="playout-lab-") as name:
        item = write_item(Path(name), "film", 900, gop=GOP, picture_bytes=PICTURE_BYTES)
        programme = programme_of(item, epoch_ns=clock.utc_ns())
        findings: list[Finding] = []

        async def go(fault: str) -> None:
            async with places:
                lab = Lab(Path(name), random.Random(f"{seed} {fault}"), programme)
                try:
                    await SCENARIOS[fault](lab)
                except (TimeoutError, ValueError, OSError) as error:
                    lab.found(
                        fault, f"came to no end: {error or type(error).__name__}", 1, 0, "times"
                    )
                findings.extend(lab.findings)
                print(f"{fault} done", file=sys.stderr)

        await asyncio.gather(*(go(fault) for fault in only))
    order = list(SCENARIOS)
    return sorted(findings, key=lambda f: order.index(f.fault) if f.fault in order else 99)


def table(findings: Sequence[Finding]) -> str:
    """For people."""
    rows = [
        f"{f.fault:<5} {f.what:<42} {f.value:>9.2f} {f.unit:<6} <= {f.limit:<6g} "
        f"{'' if f.samples == 1 else f'n={f.samples}':<7} {'ok' if f.holds else 'MISSED'}"
        for f in findings
    ]
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run scenarios and print what they found; exit status 1 when a limit was missed."""
    parser = argparse.ArgumentParser(prog="python -m playout.testing.lab")
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), default=[])
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.at_once < 1:
        parser.error(f"--at-once is {options.at_once}; it must be 1 or more")
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    findings = asyncio.run(measure(options.only or list(SCENARIOS), at_once=options.at_once))
    if options.json:
        print(json.dumps([{**asdict(f), "holds": f.holds} for f in findings], indent=2))
    else:
        print(table(findings))
    return 0 if all(f.holds for f in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
