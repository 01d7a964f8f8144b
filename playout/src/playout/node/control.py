"""Node control: keeps the pumps, and carries the supervisor's orders to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from playout.node.config import NodeConfig
from playout.node.fleet import Fleet
from playout.node.peers import PeerService
from playout.supervisor.ports import DesiredStates, Leases, Reports
from playout.supervisor.supervisor import Memory, Supervisor

__all__ = ["NodeConfig", "run"]


async def run(
    config: NodeConfig,
    *,
    leases: Leases,
    desired: DesiredStates,
    reports: Reports,
    stop: asyncio.Event,
    on_ready: Callable[[Callable[[], None]], None] = lambda wake: None,
    leave_pumps: Callable[[], bool] = lambda: False,
    memory: Memory | None = None,
    peers: PeerService | None = None,
) -> None:
    """Be the node until `stop` is set; then end what runs, gracefully, and release the leases.

    `on_ready` receives a function that makes the next sweep come at once; it may be called from
    any thread. When `leave_pumps` says so, once `stop` is set, the pumps stay on air for a
    successor to adopt. `memory` lets a restarted control go on while the store is away, and `peers`
    asks the other nodes whether they can take over.
    """
    config.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    loop = asyncio.get_running_loop()
    pumps = Fleet(config)
    supervisor = Supervisor(
        config.name,
        leases=leases,
        desired=desired,
        reports=reports,
        pumps=pumps,
        capacity=config.capacity,
        timing=config.timing,
        memory=memory,
        peers=peers,
        keep_when_cut_off=config.keep_when_cut_off,
    )
    if peers is not None:
        peers.is_cut = lambda: supervisor.is_cut
        await peers.start()
    pumps.on_change = supervisor.wake

    def wake() -> None:
        loop.call_soon_threadsafe(supervisor.wake)

    on_ready(wake)
    tending = asyncio.create_task(pumps.run(), name="pumps")
    try:
        await supervisor.run(stop)
        if not leave_pumps():
            await supervisor.drain()
    finally:
        tending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tending
        if not leave_pumps():
            await pumps.stop()
        await pumps.let_go()
        if peers is not None:
            await peers.stop()
        supervisor.close()
