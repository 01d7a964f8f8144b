"""`manage.py up`: everything at once on this machine, until Ctrl-C."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import secrets
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from apps.accounts import services
from apps.ops import embedded
from apps.ops.supervision import Stopped, Supervisor

HOST = "127.0.0.1"
DEMO_SECONDS = 180
"""So long the demo channel may take until it is on air."""


class Command(BaseCommand):
    """Starts broker, receiver, web, worker and node control, and keeps them running."""

    help = "Run everything on this machine until Ctrl-C; the data stays in DATA_DIR."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether the demo channel is wanted."""
        parser.add_argument("--no-demo", action="store_true", help="without the demo channel")

    def handle(self, *args: Any, no_demo: bool = False, **options: Any) -> None:
        """Start, say where, and stay."""
        began = time.monotonic()
        os.umask(0o077)
        with self._only_one():
            _refuse_taken_port(settings.PORT)
            embedded.preload()
            try:
                with Supervisor(say=self._say) as supervisor:
                    self._start(supervisor, demo=not no_demo, began=began)
                    supervisor.run()
                    self._say("Stopping; what is on air ends first.")
            except Stopped:
                pass
        self._say("Stopped.")

    def _start(self, supervisor: Supervisor, *, demo: bool, began: float) -> None:
        self._say("Starting the broker")
        supervisor.start(embedded.valkey())
        self._wait(supervisor, _broker_answers, 30, "the broker", "valkey.log")
        self._say("Preparing the database and the static files")
        password = _demo_password() if demo else ""

        def prepare() -> None:
            call_command("migrate", interactive=False, verbosity=0)
            _collect_static()
            if demo:
                services.ensure_demo_account(password=password)

        if supervisor.call(prepare) != 0:
            raise CommandError("The database could not be prepared. The reason stands above.")
        connections.close_all()
        self._say("Starting web, workers and node")
        if demo:
            supervisor.start(embedded.receiver())
        supervisor.start(embedded.web(HOST, settings.PORT))
        supervisor.start(embedded.jobs())
        supervisor.start(embedded.broadcasts())
        supervisor.start(embedded.encoder())
        supervisor.start(embedded.node())
        self._wait(supervisor, lambda: _get("/health/live") is not None, 60, "the web", "web.log")
        if demo:
            self._put_demo_on_air(supervisor)
        address = f"http://{HOST}:{settings.PORT}"
        self._say("")
        self._say(f"Ready after {time.monotonic() - began:.0f} s.")
        self._say(f"  Open      {address}/")
        if demo:
            self._say(f"  Sign in   {services.DEMO_EMAIL}")
            self._say(f"  Password  {password}")
            self._say(
                f"  Watch     {address}/watch/   (what the receiver gets, played by the browser)"
            )
            if settings.YOUTUBE_API_BASE == settings.INGEST_SIMULATOR_HTTP:
                simulated = settings.INGEST_SIMULATOR_HTTP
                self._say(f"  YouTube   {simulated}/   (simulated: connect a channel, go live)")
        self._say(f"  Data      {settings.DATA_DIR}")
        self._say("Ctrl-C stops everything.")

    def _put_demo_on_air(self, supervisor: Supervisor) -> None:
        """An installation has other streams too: without its demo it goes on."""
        self._say("Preparing the demo channel")
        if supervisor.call(_ensure_demo) != 0:
            self._say("The demo channel is left out: the reason stands above.")
            return
        self._say("Waiting until the receiver acknowledges the demo channel")
        if not supervisor.wait_until(_demo_is_on_air, DEMO_SECONDS):
            log = Path(settings.DATA_DIR) / "log" / "node.log"
            self._say(f"After {DEMO_SECONDS} s the demo channel is not on air. See {log}.")

    def _wait(
        self, supervisor: Supervisor, is_so: Any, seconds: float, what: str, log: str
    ) -> None:
        if not supervisor.wait_until(is_so, seconds):
            raise CommandError(
                f"After {seconds:g} s {what} is not there. See {settings.DATA_DIR / 'log' / log}."
            )

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Two supervisors in one data directory would fight over its database and its sockets."""
        run = Path(settings.DATA_DIR) / "run"
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (run / "up.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(
                    f"It already runs in {settings.DATA_DIR}. Stop it there, or set DATA_DIR "
                    "and PORT to other values."
                ) from None
            yield

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise CommandError(
                f"Something already listens on {HOST}:{port}. Choose another port, such as "
                f"`PORT={port + 1} make up`."
            ) from None


def _broker_answers() -> bool:
    client = redis.Redis(unix_socket_path=urlsplit(settings.REDIS_URL).path)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _ensure_demo() -> None:
    try:
        call_command("ensure_demo")
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def _demo_password() -> str:
    """The remembered password of the demo account, or a new one."""
    file = Path(settings.DATA_DIR) / "demo-password"
    if file.exists():
        return file.read_text().strip()
    password = secrets.token_urlsafe(12)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(password + "\n")
    return password


def _collect_static() -> None:
    """Collect when a file differs from what was collected last."""
    known = hashlib.sha256()
    for root in settings.STATICFILES_DIRS:
        for path in sorted(Path(root).rglob("*")):
            if path.is_file():
                found = path.stat()
                known.update(f"{path}:{found.st_size}:{found.st_mtime_ns}\n".encode())
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    if stamp.exists() and stamp.read_text() == known.hexdigest():
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(known.hexdigest())


def _get(path: str) -> Any:
    """The JSON at `path` of our own web; None while it does not answer."""
    connection = http.client.HTTPConnection(HOST, settings.PORT, timeout=5)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _demo_is_on_air() -> bool:
    health = _get("/health/ready") or {}
    outputs = health.get("outputs", {})
    return bool(0 < outputs.get("desired", 0) <= outputs.get("on_air", 0))
