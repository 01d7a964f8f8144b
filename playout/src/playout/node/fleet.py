"""All pumps of a node: who has which output, and who gets the next one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from playout import clock
from playout.errors import PumpLost
from playout.node import placement
from playout.node.config import NodeConfig
from playout.node.pump_link import PumpLink, Seat, is_held
from playout.node.quarantine import Quarantine
from playout.pump.lateness import BOUNDS_MS
from playout.supervisor.ports import DesiredOutput, OutputEvent, OutputReport
from playout.supervisor.reconcile import Running
from playout.supervisor.states import OutputState

log = logging.getLogger(__name__)

_TEND_SECONDS = 0.25
START_SECONDS = 8.0
"""Outputs are given out when all pumps have come up, or after this long."""
REHOME_SECONDS = 10.0
"""The outputs of a dead pump wait so long for its successor before another pump takes them."""
FORGOTTEN_SECONDS = 3600.0
"""Of an output that has been on no pump for so long nothing is known any more."""
MOVE_SECONDS = 15.0
"""So long an output may take to be on air again before the next one leaves a draining pump."""


class Fleet:
    """The pumps of a node as one; `Pumps` for the supervisor.

    A pump that dies costs only its own outputs their connection. One of another release runs on
    while its outputs move, one after the other, to a pump of this release.
    """

    def __init__(self, config: NodeConfig) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._config = config
        self._links: dict[str, PumpLink] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._quarantine = Quarantine(config.directory / "quarantine.json")
        self._until_ns = 0
        self._hold_ns = 0
        self._settled = False
        self._homes: dict[str, tuple[str, float]] = {}
        """Pump of each output, and when it was last seen there."""
        self._wishes: dict[str, DesiredOutput] = {}
        self._states: dict[str, OutputState] = {}
        self._crashed: dict[str, list[list[str]]] = {}
        """Tracks that a crash put in quarantine, for the next report of the output served then."""
        self._lost: dict[str, OutputEvent] = {}
        """What is to be told of outputs that lost their pump, with their next report."""
        self._moving: tuple[str, float] | None = None
        self._hindrance = ""
        """Why pumps could not be looked after, the last time."""

    # -- for the supervisor -----------------------------------------------------------------

    def running(self) -> Mapping[str, Running] | None:
        """See `Pumps`. What a silent pump may still be sending is marked as unknown."""
        if not self._settled:
            return None
        found: dict[str, Running] = {}
        for link in self._links.values():
            for output_id, has in link.running.items():
                if link.is_known:
                    found[output_id] = has
                else:
                    found.setdefault(output_id, replace(has, unknown=True))
        return found

    def set_output(self, desired: DesiredOutput) -> None:
        """See `Pumps`. Does nothing while no pump takes orders: the next sweep asks again."""
        self._wishes[desired.output_id] = desired
        link = self._link_of(desired.output_id) or self._choose(desired)
        if link is None or not link.is_ready:
            return
        link.set_output(desired, Seat(desired.stream_id, placement.cost(desired)))
        self._homes[desired.output_id] = (link.name, _now())

    def drop_output(self, output_id: str, *, graceful: bool) -> None:
        """See `Pumps`."""
        link = self._link_of(output_id)
        if link is not None:
            link.drop_output(output_id, graceful=graceful)

    def extend_deadline(self, until_ns: int) -> None:
        """See `Pumps`."""
        self._until_ns = max(self._until_ns, until_ns)
        for link in self._links.values():
            link.extend_deadline(until_ns)

    def hold(self, until_ns: int) -> None:
        """See `Pumps`."""
        self._hold_ns = until_ns
        for link in self._links.values():
            link.hold(until_ns)

    def take_reports(self) -> Sequence[OutputReport]:
        """See `Pumps`."""
        reports = []
        for link in self._links.values():
            for report in link.take_reports():
                self._states[report.output_id] = report.state
                crashes = self._crashed.pop(report.output_id, ())
                lost = self._lost.pop(report.output_id, None)
                before = [lost] if lost is not None else []
                before += [self._told(report.output_id, crash) for crash in crashes]
                reports.append(replace(report, events=(*before, *report.events)))
        return reports

    def figures(self) -> dict[str, dict[str, object]]:
        """Of each pump that answers: release, outputs, and how late it was."""
        return {
            link.name: {
                "release": link.release,
                "outputs": len(link.running),
                "draining": link.is_draining,
                "late_ms": link.late,
                "bounds_ms": list(BOUNDS_MS),
                "lateness": link.lateness,
            }
            for link in self._links.values()
            if link.is_ready
        }

    def _link_of(self, output_id: str) -> PumpLink | None:
        for link in self._links.values():
            if output_id in link.running:
                return link
        return None

    def _choose(self, desired: DesiredOutput) -> PumpLink | None:
        ready = {
            link.name: link.load
            for link in self._links.values()
            if link.is_ready and not link.is_draining
        }
        home, seen = self._homes.get(desired.output_id, ("", 0.0))
        link = self._links.get(home)
        if link is not None and not link.is_draining:
            if link.is_ready:
                return link
            if _now() - seen < REHOME_SECONDS:
                return None
        beside = [
            link.name
            for link in self._links.values()
            if desired.stream_id
            and any(seat.stream_id == desired.stream_id for seat in link.seats.values())
        ]
        chosen = placement.choose(ready, beside=beside)
        return self._links[chosen] if chosen is not None else None

    # -- crashes ----------------------------------------------------------------------------

    def _pump_died(self, output_ids: tuple[str, ...]) -> None:
        """Its last words never came: say for it that connections were lost."""
        lost = PumpLost("The process that sent the stream ended without a word.")
        for output_id in output_ids:
            if self._states.get(output_id) in (OutputState.ON_AIR, OutputState.DEGRADED):
                self._lost[output_id] = OutputEvent(
                    "session.lost", clock.utc_ns(), str(lost), {"code": lost.code}
                )

    def _pump_crashed(self, link: PumpLink, output_id: str, tracks: tuple[str, ...]) -> None:
        if not tracks:
            log.error("Pump %s crashed with no track in hand: none is accused.", link.name)
            return
        condemned = self._quarantine.crashed(tracks, now_ns=clock.utc_ns())
        log.error(
            "Pump %s crashed while it served output %s from %s.",
            link.name, output_id or "(none)", ", ".join(tracks),
        )  # fmt: skip
        if condemned:
            self._crashed.setdefault(output_id, []).append(condemned)
            for each in self._links.values():
                each.quarantine(self._quarantine.tracks)

    def _told(self, output_id: str, tracks: list[str]) -> OutputEvent:
        wish = self._wishes.get(output_id)
        titles, ids = [], []
        if wish is not None and wish.programme is not None:
            for version in wish.programme.versions:
                for item in version.items:
                    if {item.video, item.audio} & set(tracks) and item.id not in ids:
                        ids.append(item.id)
                        titles.append(f"“{item.title}”" if item.title else f"item {item.id}")
        named = ", ".join(titles) or ", ".join(Path(track).name for track in tracks)
        return OutputEvent(
            "track.quarantined",
            clock.utc_ns(),
            f"A pump crashed twice while it sent {named}: it is left out from now on. "
            "Prepare its source again, or remove it from the playlist.",
            {"item": ids[0] if ids else "", "tracks": tracks},
        )

    # -- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Adopt what runs, start what is missing, and tend them all until cancelled."""
        while not self._manages(self._adopt):
            await asyncio.sleep(_TEND_SECONDS)
        while not all(link.is_known or link.ended for link in self._links.values()):
            await asyncio.sleep(0.02)
        self._manages(self._keep_the_number)
        # Whoever is up first would otherwise get everything.
        give_up = _now() + START_SECONDS
        while _now() < give_up and not all(link.is_ready for link in self._links.values()):
            await asyncio.sleep(0.02)
        self._settled = True
        self.on_change()
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            for name, link in list(self._links.items()):
                if link.ended:
                    del self._links[name], self._tasks[name]
                for output_id in link.running:
                    self._homes[output_id] = (name, _now())
            self._forget_gone()
            self._manages(self._keep_the_number)
            self._empty_draining()

    def _forget_gone(self) -> None:
        now = _now()
        for output_id, (_, seen) in list(self._homes.items()):
            if now - seen > FORGOTTEN_SECONDS:
                del self._homes[output_id]
        known: tuple[dict[str, Any], ...] = (self._wishes, self._states, self._crashed, self._lost)
        for values in known:
            for output_id in values.keys() - self._homes.keys():
                del values[output_id]

    def _manages(self, work: Callable[[], None]) -> bool:
        """Do `work`, unless no file can be opened or made just now; it is tried again then."""
        try:
            work()
        except OSError as error:
            if str(error) != self._hindrance:
                log.warning("Pumps cannot be looked after: %s", error)
            self._hindrance = str(error)
            return False
        self._hindrance = ""
        return True

    def _adopt(self) -> None:
        for lock in sorted(self._config.directory.glob("pump-*.lock")):
            if lock.stem not in self._links and is_held(lock):
                self._add(lock.stem, adopt_only=True)

    def _keep_the_number(self) -> None:
        current = [link for link in self._links.values() if not link.is_draining]
        for link in current:
            link.adopt_only = False
        for link in current[self._config.pumps :]:
            link.is_draining = True
        taken = {lock.stem for lock in self._config.directory.glob("pump-*.lock") if is_held(lock)}
        number = 0
        for _ in range(self._config.pumps - len(current)):
            while f"pump-{number}" in taken or f"pump-{number}" in self._links:
                number += 1
            self._add(f"pump-{number}")

    def _add(self, name: str, *, adopt_only: bool = False) -> None:
        link = PumpLink(self._config, name, adopt_only=adopt_only)
        link.on_change = self.on_change
        link.on_crash = self._pump_crashed
        link.on_death = self._pump_died
        link.quarantined = self._quarantine.tracks
        link.extend_deadline(self._until_ns)
        if self._hold_ns:
            link.hold(self._hold_ns)
        self._links[name] = link
        self._tasks[name] = asyncio.create_task(link.run(), name=f"link to {name}")

    def _empty_draining(self) -> None:
        """Move one output from a pump that is to end: it ends there, and the next sweep starts it
        elsewhere. The next one follows when this one is on air again."""
        if not any(link.is_ready and not link.is_draining for link in self._links.values()):
            return
        if self._moving is not None:
            output_id, since = self._moving
            link = self._link_of(output_id)
            arrived = link is not None and not link.is_draining
            on_air = arrived and self._states.get(output_id) is OutputState.ON_AIR
            if not on_air and _now() - since < MOVE_SECONDS:
                return
            self._moving = None
        for link in self._links.values():
            if not link.is_draining or not link.is_ready:
                continue
            staying = [id_ for id_, has in sorted(link.running.items()) if not has.stopping]
            if staying:
                log.info("Output %s leaves pump %s.", staying[0], link.name)
                self._states.pop(staying[0], None)
                link.drop_output(staying[0], graceful=True)
                self._moving = (staying[0], _now())
                return
            if not link.running:
                link.end()

    async def stop(self, seconds: float = 8.0) -> None:
        """Tell all pumps to end their outputs gracefully and themselves, and wait for that."""
        for link in self._links.values():
            link.end()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)

    async def let_go(self) -> None:
        """Hang up on the pumps, which go on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _now() -> float:
    return clock.monotonic_ns() / 1e9
