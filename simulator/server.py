"""One process: HTTP, RTMP and the clock that lets things happen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from simulator import certificate, description, seed
from simulator.api.streams import Addresses
from simulator.app import Simulator
from simulator.faults import Behaviour
from simulator.ingest import Ingest
from simulator.web import ABORT, Receive, Scope, Send
from simulator.world import World

log = logging.getLogger(__name__)

SNAPSHOT = "simulator.json"
_TICK_S = 0.25
_SAVE_EVERY_S = 2.0
_START_S = 20.0


@dataclass(frozen=True)
class Options:
    """How a simulator runs; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0
    rtmp_port: int = 0
    rtmps_port: int | None = None
    """None listens for no TLS, and names no such address."""
    data: Path | None = None
    """Where the snapshot and the certificate are kept; None keeps nothing."""
    seed: int | None = None
    scale: float = 1.0
    behaviour: Behaviour = field(default_factory=Behaviour)


@dataclass(frozen=True)
class Running:
    """A simulator that runs; what tests and other programs need of it."""

    url: str
    rtmp_url: str
    rtmps_url: str
    certificate: Path | None
    """Which a client of `rtmps_url` must trust."""
    application: Simulator
    world: World


class _Protocol(H11Protocol):
    """Lets the application cut a connection without an answer."""

    def __init__(self, *args: object, **named: object) -> None:
        super().__init__(*args, **named)  # type: ignore[arg-type]
        inner = self.app

        async def with_abort(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[ABORT] = self.transport.abort
            await inner(scope, receive, send)

        self.app = with_abort


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[Running]:
    """A simulator, listening while the block runs. Raises `OSError` where it cannot."""
    world = World(seed=options.seed, scale=options.scale, behaviour=options.behaviour)
    seed.fill(world)
    if options.data is not None:
        options.data.mkdir(parents=True, exist_ok=True)
        _resume(world, options.data / SNAPSHOT)
    async with contextlib.AsyncExitStack() as stack:
        tls, file = None, None
        if options.rtmps_port is not None:
            folder = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            file, key = certificate.make(folder)
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(file, key)
        ingest = await stack.enter_async_context(
            Ingest(world, options.host, options.rtmp_port, tls_port=options.rtmps_port, tls=tls)
        )
        addresses = Addresses(
            rtmp=f"rtmp://{options.host}:{ingest.port}",
            rtmps=f"rtmps://localhost:{ingest.tls_port}" if tls else "",
        )
        application = Simulator(
            world, addresses=addresses, ingest=ingest, description=description.load()
        )
        async with _http(application, options) as port:
            ticking = asyncio.create_task(_tick(world, options.data), name="simulator-clock")
            try:
                yield Running(
                    url=f"http://{options.host}:{port}",
                    rtmp_url=addresses.rtmp,
                    rtmps_url=addresses.rtmps,
                    certificate=file,
                    application=application,
                    world=world,
                )
            finally:
                ticking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await ticking
                if options.data is not None:
                    _save(world, options.data / SNAPSHOT)


@contextlib.contextmanager
def in_thread(options: Options | None = None) -> Iterator[Running]:
    """The same for code without an event loop: it runs in a thread of its own."""
    started: list[Running | BaseException] = []
    is_ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        try:
            async with running(options or Options()) as simulator:
                started.append(simulator)
                is_ready.set()
                await stop.wait()
        except BaseException as error:
            started.append(error)
            is_ready.set()
            raise

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            with contextlib.suppress(OSError, ValueError):
                loop.run_until_complete(serve())
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="simulator", daemon=True)
    thread.start()
    if not is_ready.wait(_START_S):
        raise TimeoutError("The simulator did not start.")
    if isinstance(started[0], BaseException):
        thread.join()
        raise started[0]
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_START_S)


@contextlib.asynccontextmanager
async def _http(application: Simulator, options: Options) -> AsyncIterator[int]:
    config = uvicorn.Config(
        application,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.create_server((options.host, options.port), backlog=1024) as listener:
        serving = asyncio.create_task(
            # Not `serve`: signals belong to whoever started the simulator.
            server._serve([listener]),  # noqa: SLF001
            name="simulator-http",
        )
        try:
            async with asyncio.timeout(_START_S):
                while not server.started and not serving.done():
                    await asyncio.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def _tick(world: World, data: Path | None) -> None:
    """Let things happen, and keep what has."""
    loop = asyncio.get_running_loop()
    saved_at = loop.time()
    while True:
        await asyncio.sleep(_TICK_S)
        world.advance()
        if data is not None and world.has_changed and loop.time() - saved_at >= _SAVE_EVERY_S:
            saved_at = loop.time()
            _save(world, data / SNAPSHOT)


def _resume(world: World, file: Path) -> None:
    try:
        world.restore(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        log.warning("%s cannot be taken up (%s): the simulator begins anew.", file, error)
        seed.fill(world)


def _save(world: World, file: Path) -> None:
    new = file.with_suffix(".new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(world.snapshot(), out)
        new.replace(file)
    except OSError as error:
        log.warning("%s cannot be written: %s", file, error.strerror)
