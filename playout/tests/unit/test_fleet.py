"""What a fleet of pumps keeps of outputs that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from playout.node import fleet
from playout.node.config import NodeConfig
from playout.node.fleet import Fleet
from playout.node.pump_link import Seat
from playout.supervisor.ports import DesiredOutput, OutputReport
from playout.supervisor.reconcile import Running
from playout.supervisor.states import OutputState
from playout.testing.tracks import programme_of, write_item


class Link:
    """A pump that does as it is told, at once."""

    is_known = is_ready = True
    is_draining = ended = False
    release, late, lateness, load = "", {}, [], 0

    def __init__(self, config: NodeConfig, name: str, *, adopt_only: bool = False) -> None:
        self.name, self.adopt_only = name, adopt_only
        self.on_change: Callable[[], None] = lambda: None
        self.running: dict[str, Running] = {}
        self.seats: dict[str, Seat] = {}

    def set_output(self, desired: DesiredOutput, seat: Seat) -> None:
        self.running[desired.output_id] = Running(desired.token, desired.generation)

    def drop_output(self, output_id: str, *, graceful: bool) -> None:
        del self.running[output_id]

    def take_reports(self) -> list[OutputReport]:
        return [OutputReport(id_, 1, 1, OutputState.ON_AIR, 0) for id_ in self.running]

    def extend_deadline(self, until_ns: int) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()


async def test_outputs_that_are_gone_are_forgotten_and_those_that_run_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1e6]
    monkeypatch.setattr(fleet, "PumpLink", Link)
    monkeypatch.setattr(fleet, "_TEND_SECONDS", 0.001)
    monkeypatch.setattr(fleet, "_now", lambda: now[0])
    it = Fleet(NodeConfig("node", tmp_path))
    tending = asyncio.create_task(it.run())
    while it.running() is None:
        await asyncio.sleep(0.001)
    programme = programme_of(write_item(tmp_path, "a", 60))
    for number in range(1000):
        it.set_output(DesiredOutput(str(number), 1, True, 1, "rtmp://h/a", "k", programme))
    it.take_reports()
    await asyncio.sleep(0.02)
    for number in range(1, 1000):
        it.drop_output(str(number), graceful=True)
    await asyncio.sleep(0.02)
    kept = [it._homes, it._wishes, it._states]
    assert all(len(values) == 1000 for values in kept), "one that comes back soon comes home"
    now[0] += fleet.FORGOTTEN_SECONDS + 1
    await asyncio.sleep(0.02)
    assert [list(values) for values in kept] == [["0"]] * 3
    tending.cancel()
    await it.let_go()
