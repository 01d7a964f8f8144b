"""Node control: keeps the pumps, and carries the supervisor's orders to them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from playout.node.config import NodeConfig
from playout.node.fleet import Fleet
from playout.node.peers import PeerService
from playout.supervisor.ports import DesiredStates, Leases, Reports
from playout.supervisor.supervisor import Memory, Supervisor

log = logging.getLogger(__name__)

Figures = Mapping[str, Mapping[str, object]]
FIGURES_SECONDS = 10.0

__all__ = ["Figures", "NodeConfig", "run"]


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
    on_figures: Callable[[Figures], None] | None = None,
) -> None:
    """Be the node until `stop` is set; then end what runs, gracefully, and release the leases.

    `on_ready` receives a function that makes the next sweep come at once; it may be called from
    any thread. When `leave_pumps` says so, once `stop` is set, the pumps stay on air for a
    successor to adopt; so they do when this raises. `memory` lets a restarted control go on while
    the store is away, and `peers` asks the other nodes whether they can take over. `on_figures` is
    called in a thread of its own, every ten seconds, with the figures of each pump.
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
    supervising = asyncio.create_task(supervisor.run(stop), name="supervisor")
    tasks: list[asyncio.Task[None]] = [tending, supervising]
    if on_figures is not None:
        tasks.append(asyncio.create_task(_tell(pumps, on_figures), name="figures"))
    # A defect of ours takes nothing off the air: whoever is started in our place adopts it.
    leaves = True
    try:
        ended, _ = await asyncio.wait((tending, supervising), return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
        leaves = leave_pumps()
        if not leaves:
            await supervisor.drain()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not leaves:
            await pumps.stop()
        await pumps.let_go()
        if peers is not None:
            await peers.stop()
        supervisor.close()


async def _tell(pumps: Fleet, on_figures: Callable[[Figures], None]) -> None:
    while True:
        await asyncio.sleep(FIGURES_SECONDS)
        try:
            await asyncio.to_thread(on_figures, pumps.figures())
        except Exception as error:  # noqa: BLE001 - whoever is told may throw anything
            log.warning("The figures of the pumps were not stored (%s).", type(error).__name__)
