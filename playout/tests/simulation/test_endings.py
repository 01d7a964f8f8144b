"""What a connection leaves behind: when a session is over, nothing of it may arrive later."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from playout import clock
from playout.publisher.address import parse_address
from playout.publisher.environment import Environment
from playout.publisher.output import Output, OutputOptions
from playout.pump.shelf import Shelf
from playout.testing.network import SimulatedNetwork
from playout.testing.simulated_ingest import SimulatedIngest
from playout.testing.tracks import programme_of, write_item
from playout.testing.virtual_time import VirtualClock, VirtualLoop, run

HOST = "ingest.test"


class Silent:
    """A listener who only remembers what was said, and why sessions were lost."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.said: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def hear(*args: object) -> None:
            self.said.append(name)
            if name == "lost":
                self.codes.append(args[0].code)  # type: ignore[attr-defined]

        return hear


class Scene:
    """One output and one ingest on simulated time."""

    def __init__(self, directory: Path, virtual: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        chance = random.Random(5)
        self.clock = virtual
        self.network = SimulatedNetwork(loop, chance=chance)
        self.ingest = SimulatedIngest(self.network, HOST)
        self.heard = Silent()
        self.may_send = True
        item = write_item(directory, "a", 300, picture_bytes=600)
        environment = Environment(
            random=chance.random, random_bytes=chance.randbytes, connect=self.network.connect
        )
        self.output = Output(
            parse_address(f"rtmp://{HOST}/live", "key"),
            programme_of(item, epoch_ns=clock.utc_ns()),
            Shelf(),
            self.heard,
            options=OutputOptions(environment=environment),
            may_send=lambda: self.may_send,
        )
        self.running = asyncio.create_task(self.output.run())

    def media(self) -> int:
        return sum(1 for session in self.ingest.sessions for _ in session.media())


def simulate(directory: Path, test: Callable[[Scene], Awaitable[None]]) -> None:
    virtual = VirtualClock()

    async def main() -> None:
        scene = Scene(directory, virtual)
        await test(scene)
        scene.output.stop()
        await scene.running

    run(main(), clock=virtual)


@pytest.mark.parametrize("how", ["fenced", "stalled", "stopped", "cancelled"])
def test_what_a_black_hole_holds_back_does_not_arrive_after_the_end(
    tmp_path: Path, how: str
) -> None:
    """Whoever publishes next must not meet the tail of who went before."""

    async def test(scene: Scene) -> None:
        await asyncio.sleep(20)
        assert scene.media() > 500
        scene.network.change(HOST, lost_up=True)
        await asyncio.sleep(1)
        before = scene.media()
        if how == "fenced":
            scene.may_send = False
        elif how == "stopped":
            scene.output.stop()
        elif how == "cancelled":
            scene.running.cancel()
        await asyncio.sleep(9)
        if how == "stalled":
            assert scene.heard.codes == ["ingest.stalled"]
        scene.output.stop()
        await asyncio.wait((scene.running,))
        scene.network.change(HOST, lost_up=False)
        await asyncio.sleep(30)
        assert scene.media() == before
        if how == "cancelled":
            scene.running = asyncio.create_task(asyncio.sleep(0))

    simulate(tmp_path, test)


def test_a_stop_loses_nothing_of_what_was_sent(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        await asyncio.sleep(10)
        scene.output.stop()
        await scene.running
        (session,) = scene.ingest.sessions
        assert session.end == "unpublished"
        # The lead was sent as well, and came.
        assert max(arrival.timestamp for arrival in session.media()) >= 11_200

    simulate(tmp_path, test)


def test_a_machine_that_slept_goes_on_where_the_clock_says(tmp_path: Path) -> None:
    """Two legs of a stream agree on what is on air, whichever machine was suspended."""

    async def test(scene: Scene) -> None:
        await asyncio.sleep(10)
        scene.clock.sleep(7 * 10**9)
        scene.network.reset(HOST)
        await asyncio.sleep(5)
        newest = scene.ingest.sessions[-1]
        assert len(scene.ingest.sessions) == 2
        assert max(a.timestamp for a in newest.media()) == pytest.approx(22_000 + 1500, abs=300)

    simulate(tmp_path, test)


def test_a_fence_that_falls_during_the_farewell_ends_it(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        await asyncio.sleep(10)
        scene.network.change(HOST, bytes_per_second=2000.0)
        await asyncio.sleep(6)
        scene.output.stop()
        await asyncio.sleep(0.5)
        scene.may_send = False
        await asyncio.sleep(0.5)
        before = scene.media()
        await asyncio.sleep(30)
        assert scene.media() - before <= 1

    simulate(tmp_path, test)


def test_not_a_byte_is_sent_once_the_lease_is_gone(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        await asyncio.sleep(10)
        written: list[int] = []
        scene.network.on_write = lambda socket, data: written.append(len(data))
        await asyncio.sleep(1)
        assert written
        scene.may_send = False
        written.clear()
        await asyncio.sleep(30)
        assert written == []
        assert len(scene.ingest.sessions) == 1
        scene.may_send = True
        await asyncio.sleep(5)
        assert len(scene.ingest.sessions) == 2

    simulate(tmp_path, test)


def test_on_air_is_said_of_nothing_that_has_not_arrived(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        await asyncio.sleep(0.1)
        while not scene.ingest.sessions:
            await asyncio.sleep(0.01)
        scene.network.change(HOST, lost_up=True)
        await asyncio.sleep(3)
        assert "acknowledged" not in scene.heard.said
        scene.network.change(HOST, lost_up=False)
        await asyncio.sleep(6)
        assert "acknowledged" in scene.heard.said

    simulate(tmp_path, test)


def test_a_server_that_breaks_its_habit_of_acknowledging_is_given_up(tmp_path: Path) -> None:
    """Its kernel takes what we send, but nobody there reads it any more."""

    async def test(scene: Scene) -> None:
        await asyncio.sleep(20)
        assert scene.output.progress is not None
        assert scene.output.progress.proof == "ack"
        scene.ingest.manners.acknowledges = False
        await asyncio.sleep(20)
        assert scene.heard.codes == ["ingest.stalled"]

    simulate(tmp_path, test)


def test_a_server_that_is_away_is_asked_again_and_again_but_not_hammered(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        await asyncio.sleep(20)
        scene.network.change(HOST, refuses=True)
        scene.ingest.restart()
        await asyncio.sleep(60)
        assert 15 <= len(scene.heard.codes) <= 40
        scene.network.change(HOST, refuses=False)
        await asyncio.sleep(5)
        assert len(scene.ingest.sessions) == 2

    simulate(tmp_path, test)


def test_a_line_that_breaks_every_dozen_seconds_is_no_fault_of_the_key(tmp_path: Path) -> None:
    """What was acknowledged for ten seconds was accepted, however soon it ends then."""

    async def test(scene: Scene) -> None:
        for _ in range(8):
            count = len(scene.ingest.sessions)
            while len(scene.ingest.sessions) == count:
                await asyncio.sleep(0.01)
            await asyncio.sleep(10.8)
            scene.network.reset(HOST)
        await asyncio.sleep(1)
        assert set(scene.heard.codes) == {"ingest.lost"}
        assert len(scene.ingest.sessions) == 9

    simulate(tmp_path, test)
