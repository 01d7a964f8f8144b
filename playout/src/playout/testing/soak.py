"""Many streams for hours, with one random fault a minute; judged by what arrived.

    python -m playout.testing.soak --hours 8 [--streams 20]

One node with its pump process publishes low-rate streams through proxies to a sink. Each minute
one stream meets a fault: a reset, an orderly end, a black hole, a throttled or distant ingest, a
half-close; or the pump itself is killed. Reported at the end: availability, gaps, reconnects, how
private memory and descriptors grew, and every violated invariant.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import math
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from playout import clock
from playout.testing import history
from playout.testing.lab import Lab, Scene, resident_kb, scene
from playout.testing.tracks import programme_of, write_item

SECOND = 10**9
PICTURE_BYTES = 1000
FAULT_EVERY_SECONDS = 60.0
WINDOW_SECONDS = 600.0
"""What arrived is judged, and forgotten, in portions of this length."""
KINDS = ("reset", "hang up", "black hole", "throttled", "far away", "half-close", "pump dies")


@dataclass(slots=True)
class Soak:
    """What has been seen so far."""

    streams: int
    seconds: float = 0.0
    gap_seconds: float = 0.0
    longest_gap: float = 0.0
    reconnects: list[float] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    private_kb: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def summary(self) -> dict[str, object]:
        """Plain values, for a file."""
        ordered = sorted(self.reconnects) or [0.0]
        stream_seconds = max(1.0, self.seconds * self.streams)
        return {
            "streams": self.streams,
            "seconds": round(self.seconds),
            "faults": self.faults,
            "share_on_air": round(1 - self.gap_seconds / stream_seconds, 6),
            "longest_gap_seconds": round(self.longest_gap, 2),
            "reconnect_seconds": {
                "p50": round(ordered[len(ordered) // 2], 2),
                "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2),
                "max": round(ordered[-1], 2),
                "samples": len(self.reconnects),
            },
            "pump_private_kb": {"first": self.private_kb[:1], "last": self.private_kb[-1:]},
            "pump_descriptors": {"first": self.descriptors[:1], "last": self.descriptors[-1:]},
            "violations": self.violations[:20],
        }


def _strike(air: Scene, number: int, kind: str, chance: random.Random) -> float:
    """Let `kind` happen to one stream; seconds after which it must be undone."""
    proxy = air.proxies[number]
    if kind == "reset":
        proxy.reset()
    elif kind == "hang up":
        proxy.hang_up()
    elif kind == "half-close":
        proxy.half_close()
    elif kind == "black hole":
        proxy.change(lost_up=True, lost_down=True)
        return chance.uniform(2.0, 20.0)
    elif kind == "throttled":
        proxy.change(bytes_per_second=PICTURE_BYTES * 30 * chance.uniform(0.3, 0.9))
        return chance.uniform(5.0, 30.0)
    elif kind == "far away":
        proxy.change(latency=chance.uniform(0.05, 0.4))
        return chance.uniform(5.0, 30.0)
    else:
        for pid in air.nodes[0].pump_pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    return 0.0


def _judge(air: Scene, soak: Soak, begin_ns: int, end_ns: int) -> None:
    """Take account of what arrived between two instants, and forget it."""
    for number in range(soak.streams):
        sessions = air.sink.of(f"key-{number}")
        for gap in history.gaps(
            sessions, begin_ns=begin_ns, end_ns=end_ns, longer_than_ns=2 * SECOND
        ):
            seconds = (gap.end_ns - gap.begin_ns) / SECOND
            soak.gap_seconds += seconds
            soak.longest_gap = max(soak.longest_gap, seconds)
        soak.violations += history.one_at_a_time(sessions)
        for session in sessions:
            soak.violations += history.times_never_fall(session)
            soak.violations += history.opens_properly(session)
    # The head of each running session stays, so that it can be judged again.
    kept = [session for session in air.sink.sessions if session.ended_ns is None]
    for session in kept:
        del session.arrivals[4:-200]
    air.sink.sessions[:] = kept


async def soak(*, streams: int, hours: float, seed: int) -> Soak:
    """Run it."""
    chance = random.Random(seed)
    found = Soak(streams)
    with tempfile.TemporaryDirectory(prefix="playout-soak-") as name:
        item = write_item(Path(name), "film", 900, gop=60, picture_bytes=PICTURE_BYTES)
        lab = Lab(Path(name), chance, programme_of(item, epoch_ns=clock.utc_ns()))
        async with scene(lab, "soak", proxies=streams) as air:
            node = air.node("a")
            for number in range(streams):
                air.want(f"key-{number}", proxy=number)
            await asyncio.gather(*(air.on_air(f"key-{n}") for n in range(streams)))
            began = time.monotonic()
            window_ns = clock.monotonic_ns()
            while time.monotonic() - began < hours * 3600:
                await asyncio.sleep(min(FAULT_EVERY_SECONDS, hours * 3600 / 3))
                kind = chance.choice(KINDS)
                number = chance.randrange(streams)
                found.faults[kind] = found.faults.get(kind, 0) + 1
                since = clock.monotonic_ns()
                seconds = _strike(air, number, kind, chance)
                if seconds:
                    await asyncio.sleep(seconds)
                    air.proxies[number].change(
                        lost_up=False, lost_down=False, bytes_per_second=None, latency=0.0
                    )
                elif kind != "half-close":
                    with contextlib.suppress(TimeoutError):
                        found.reconnects.append(
                            await air.next_key_frame(since, f"key-{number}", seconds=45)
                        )
                for pid in node.pump_pids[:1]:
                    with contextlib.suppress(OSError):
                        found.private_kb.append(resident_kb(pid))
                        found.descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208
                now = clock.monotonic_ns()
                if now - window_ns > WINDOW_SECONDS * SECOND:
                    _judge(air, found, window_ns, now)
                    window_ns = now
                found.seconds = time.monotonic() - began
                print(f"{found.seconds:8.0f} s  {kind} for stream {number}", file=sys.stderr)
            await asyncio.gather(*(air.on_air(f"key-{n}", seconds=90) for n in range(streams)))
            _judge(air, found, window_ns, clock.monotonic_ns())
            found.seconds = time.monotonic() - began
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a soak and print what it came to as JSON; exit status 1 when an invariant broke."""
    parser = argparse.ArgumentParser(prog="python -m playout.testing.soak")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if not 0 < options.hours < math.inf:
        parser.error(f"--hours is {options.hours:g}; it must be more than 0")
    if options.streams < 1:
        parser.error(f"--streams is {options.streams}; it must be 1 or more")
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    found = asyncio.run(soak(streams=options.streams, hours=options.hours, seed=options.seed))
    print(json.dumps(found.summary(), indent=2))
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main())
