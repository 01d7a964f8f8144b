"""`manage.py run_playout`: node control. Composes the engine with the database."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hmac
import logging
import os
import signal
import socket
import threading
import uuid
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.core.wake import WakeListener
from apps.streaming.engine import (
    DatabaseEngine,
    TracksHere,
    peer_addresses,
    record_pumps,
    register_node,
)
from apps.streaming.stream_manager import CHANNEL
from playout import __version__
from playout.lines import never_wait_for_stderr
from playout.node import control
from playout.node.memory import DiskMemory
from playout.node.peers import PeerService

log = logging.getLogger(__name__)

_REGISTER_SECONDS = 1.0


class Command(BaseCommand):
    """Holds leases, follows wishes, reports what is real; pumps do the sending.

    SIGTERM and SIGINT end what is on air gracefully. SIGHUP leaves the pumps on air for the next
    control to adopt, which has to come before their lease deadline.
    """

    help = "Run this machine's node control until it is told to stop."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What differs between nodes on one machine."""
        parser.add_argument("--capacity", type=int, default=2000, help="most outputs at a time")

    def handle(self, *args: Any, capacity: int = 2000, **options: Any) -> None:
        """Be the node."""
        # A log that nobody reads must not cost the leases.
        never_wait_for_stderr()
        directory = Path(settings.DATA_DIR) / "node"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _only_one(directory):
            node = node_id(directory)
            asyncio.run(_serve(node, directory, capacity))


async def _serve(node: str, directory: Path, capacity: int) -> None:
    loop = asyncio.get_running_loop()
    stop, over = asyncio.Event(), threading.Event()
    leave = False

    def end(*, leave_pumps: bool) -> None:
        nonlocal leave
        leave = leave_pumps
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: end(leave_pumps=False))
    loop.add_signal_handler(signal.SIGHUP, lambda: end(leave_pumps=True))

    wake: list[Callable[[], None]] = []
    tracks = TracksHere(Path(settings.DATA_DIR) / "cache", on_change=lambda: _call(wake))
    ports = DatabaseEngine(tracks)
    key = node_key(directory)
    memory = DiskMemory(directory, seal=key.encrypt, unseal=lambda data: _unseal(key, data))
    registering = asyncio.create_task(_register(node, stop), name="register")
    if memory.load() is None and not await registering:
        return
    listener = threading.Thread(target=_listen, args=(wake, over), name="wakes", daemon=True)
    listener.start()
    log.info("Node %s begins.", node)
    try:
        await control.run(
            control.NodeConfig(
                name=node,
                directory=directory,
                capacity=capacity,
                pumps=settings.NODE_PUMPS,
                policy="private" if settings.DESTINATION_POLICY == "private" else "public",
                allow=tuple(settings.DESTINATION_ALLOWLIST),
                read_ahead=settings.STREAM_BUFFER_SIZE,
                keep_when_cut_off=settings.PARTITION_POLICY == "keep",
            ),
            leases=ports,
            desired=ports,
            reports=ports,
            stop=stop,
            on_ready=wake.append,
            leave_pumps=lambda: leave,
            memory=memory,
            peers=PeerService(
                node,
                secret=peer_secret(),
                addresses=lambda: peer_addresses(node),
                listen=settings.NODE_PEER_LISTEN,
            ),
            on_figures=lambda figures: record_pumps(node, figures),
        )
    finally:
        registering.cancel()
        over.set()
        tracks.close()
        log.info("Node %s has ended.", node)


async def _register(node: str, stop: asyncio.Event) -> bool:
    """Write this node down, however long the database takes to come; False when told to stop."""
    while not stop.is_set():
        try:
            await asyncio.to_thread(
                register_node,
                node=node,
                name=settings.NODE_NAME or socket.gethostname(),
                version=__version__,
                capacity_mbps=settings.NODE_CAPACITY_MBPS,
                peer_address=settings.NODE_PEER_ADDRESS,
            )
        except DatabaseError as error:
            log.warning("The database does not answer yet (%s).", error.__class__.__name__)
            try:
                async with asyncio.timeout(_REGISTER_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
        else:
            return True
    return False


def _listen(wake: list[Callable[[], None]], over: threading.Event) -> None:
    """Sweep at once when somebody changed a wish; without wakes the sweep comes each second."""
    with WakeListener(CHANNEL) as listener:
        while not over.is_set():
            if listener.wait(1.0):
                _call(wake)


def _call(wake: list[Callable[[], None]]) -> None:
    for sweep in wake:
        sweep()


def peer_secret() -> bytes:
    """What nodes of one installation share, so that nobody else can answer for one of them."""
    return hmac.digest(settings.SECRET_KEY.encode(), b"playout node peers", "sha256")


def node_key(directory: Path) -> Fernet:
    """What seals the wishes that this node keeps on its disk; made once, for its user alone."""
    path = directory / "key"
    with contextlib.suppress(FileNotFoundError):
        return Fernet(path.read_bytes())
    made = Fernet.generate_key()
    draft = directory / "key.new"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_bytes(made)
    draft.replace(path)
    return Fernet(made)


def _unseal(key: Fernet, data: bytes) -> bytes:
    try:
        return key.decrypt(data)
    except InvalidToken as error:
        raise ValueError("It was not sealed under this node's key.") from error


def node_id(directory: Path) -> str:
    """The id of this node; made once, and kept on this machine's disk."""
    path = directory / "id"
    try:
        known = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        known = ""
    if known:
        return known
    made = str(uuid.uuid4())
    draft = directory / "id.new"
    draft.write_text(made + "\n", encoding="ascii")
    draft.replace(path)
    return made


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Two controls with one node id would renew each other's leases."""
    with (directory / "control.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"Node control already runs in {directory}. Stop it first, or set DATA_DIR."
            ) from None
        # For people and for tests: who holds it.
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
