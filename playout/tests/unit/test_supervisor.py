"""Sweeps over a store in memory and pumps that only remember what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from dataclasses import replace

import pytest

from playout.media import HOUSE_AUDIO
from playout.supervisor.ports import DesiredOutput, OutputEvent, OutputReport
from playout.supervisor.reconcile import Running
from playout.supervisor.states import OutputState
from playout.supervisor.supervisor import Supervisor
from playout.testing.memory_store import MemoryStore
from playout.timeline.programme import Item, Programme, Version

PROGRAMME = Programme(
    0, HOUSE_AUDIO.rate, HOUSE_AUDIO.rate, (Version(1, 0, (Item("a", "", "", 5),)),)
)
SECOND = 10**9


class RecordedPumps:
    """Does what it is told at once, and keeps what it was told."""

    def __init__(self) -> None:
        self.outputs: dict[str, Running] = {}
        self.started: list[str] = []
        self.until_ns = 0
        self.hold_ns = 0
        self.alive = True
        self.happened: list[str] = []

    def running(self):
        return dict(self.outputs) if self.alive else None

    def set_output(self, desired):
        self.started.append(desired.output_id)
        self.outputs[desired.output_id] = Running(desired.token, desired.generation)

    def drop_output(self, output_id, *, graceful):
        del self.outputs[output_id]

    def extend_deadline(self, until_ns):
        self.until_ns = until_ns

    def hold(self, until_ns):
        self.hold_ns = until_ns

    def take_reports(self):
        events = tuple(OutputEvent(code, 0, code) for code in self.happened)
        self.happened.clear()
        return [
            OutputReport(name, has.token, has.generation, OutputState.ON_AIR, 0, events=events)
            for name, has in self.outputs.items()
        ]


class Scene:
    def __init__(self) -> None:
        self.now = 100 * SECOND
        self.store = MemoryStore(clock_ns=lambda: self.now)
        self.pumps = RecordedPumps()
        self.supervisor = Supervisor(
            "n", leases=self.store, desired=self.store, reports=self.store, pumps=self.pumps,
            clock_ns=lambda: self.now,
        )  # fmt: skip
        self.want()

    def want(self):
        self.store.want(DesiredOutput("o", 0, True, 0, "rtmp://h/a", "k", PROGRAMME))

    async def sweep(self, *, after: float = 1):
        self.now += int(after * SECOND)
        await self.supervisor.sweep()


@pytest.fixture
def scene():
    made = Scene()
    yield made
    made.supervisor.close()


async def test_what_is_wished_is_claimed_started_and_reported(scene):
    await scene.sweep()
    await scene.sweep()
    assert scene.pumps.outputs == {"o": Running(1, 1)}
    assert scene.store.report_of("o").state is OutputState.ON_AIR
    assert scene.pumps.until_ns == 101 * SECOND + 12 * SECOND


async def test_what_is_no_longer_wished_is_dropped_and_its_lease_released(scene):
    await scene.sweep()
    scene.store.stop("o")
    await scene.sweep()
    await scene.sweep()
    assert scene.pumps.outputs == {}
    assert scene.store.holder_of("o") == ("", 1)


async def test_an_unreachable_store_does_not_move_the_deadline_and_stops_nothing(scene):
    scene.store.other_nodes = 1
    await scene.sweep()
    until = scene.pumps.until_ns
    scene.store.reachable = False
    for _ in range(20):
        await scene.sweep()
    assert scene.pumps.until_ns == until
    assert scene.pumps.hold_ns == 0
    assert "o" in scene.pumps.outputs


async def test_a_lone_node_holds_while_its_store_is_away_and_revives_what_it_owned(scene):
    await scene.sweep()
    scene.store.reachable = False
    await scene.sweep()
    assert scene.pumps.hold_ns > scene.now + 3600 * SECOND
    scene.pumps.outputs.clear()
    await scene.sweep()
    assert scene.pumps.outputs == {"o": Running(1, 1)}
    scene.store.reachable = True
    await scene.sweep()
    assert scene.pumps.hold_ns == 0
    assert scene.pumps.until_ns > scene.now


async def test_reports_wait_for_the_store_and_keep_their_events(scene):
    await scene.sweep()
    scene.store.reachable = False
    for code in ("session.lost", "session.on_air"):
        scene.pumps.happened.append(code)
        await scene.sweep()
    assert scene.store.events_of("o") == []
    scene.store.reachable = True
    await scene.sweep()
    await scene.sweep()
    assert [event.code for event in scene.store.events_of("o")] == [
        "session.lost",
        "session.on_air",
    ]


async def test_while_a_pump_starts_nothing_is_decided(scene):
    scene.pumps.alive = False
    await scene.sweep()
    assert scene.pumps.started == []
    assert scene.store.holder_of("o") == ("n", 1)
    scene.pumps.alive = True
    await scene.sweep()
    assert scene.pumps.started == ["o"]


async def test_an_output_that_was_deleted_ends(scene):
    await scene.sweep()
    scene.store.forget("o")
    await scene.sweep(after=6)
    assert scene.pumps.outputs == {}


async def test_draining_ends_everything_and_gives_the_leases_back(scene):
    await scene.sweep()
    await scene.supervisor.drain()
    assert scene.pumps.outputs == {}
    assert scene.store.holder_of("o") == ("", 1)


async def test_many_outputs_are_claimed_a_share_at_a_time(scene):
    for n in range(130):
        scene.store.want(DesiredOutput(f"m{n}", 0, True, 0, "rtmp://h/a", "k", PROGRAMME))
    counts = []
    for _ in range(4):
        await scene.sweep()
        counts.append(len(scene.pumps.outputs))
    assert counts == [50, 100, 131, 131]


async def test_a_store_that_never_answers_holds_up_nothing_for_long(scene):
    scene.supervisor._timing = replace(scene.supervisor._timing, answer=0.1)
    scene.store.other_nodes = 1
    await scene.sweep()
    answered = threading.Event()
    scene.store.renew = lambda node: answered.wait(20) and ()
    try:
        begun = time.monotonic()
        for _ in range(3):
            await scene.sweep(after=6)
        assert time.monotonic() - begun < 15
        assert scene.supervisor.is_cut
        assert "o" in scene.pumps.outputs
    finally:
        answered.set()


async def test_an_answer_that_fails_after_control_was_ended_is_nobodys_error(scene):
    complaints, asked, go_on = [], threading.Event(), threading.Event()
    asyncio.get_running_loop().set_exception_handler(lambda loop, about: complaints.append(about))

    def claim(node, limit):
        asked.set()
        go_on.wait(60)
        raise ConnectionError("the store was cut")

    scene.store.claim = claim
    sweep = asyncio.create_task(scene.supervisor.sweep())
    await asyncio.to_thread(asked.wait, 5)
    sweep.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sweep
    go_on.set()
    await asyncio.to_thread(scene.supervisor._store.shutdown)
    await asyncio.sleep(0)
    scene.supervisor._busy = None
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
