"""Finds the programs the judges are made of, and free ports for them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

_MODULE_DIRS = (
    "/usr/lib/nginx/modules",
    "/usr/share/nginx/modules",
    "/usr/lib64/nginx/modules",
    "/usr/local/lib/nginx/modules",
    "/usr/local/nginx/modules",
    "/etc/nginx/modules",
)


def program(name: str) -> str:
    """The path of a program that the machine must have; skips the test when it has not."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/usr/local/sbin:/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def ffmpeg() -> str:
    """The ffmpeg of the machine, or else the wheel's; either is a stranger to the engine's code."""
    return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def ffprobe() -> str:
    return program("ffprobe")


def nginx_module(name: str) -> str:
    """The path of an nginx module; skips the test when nginx or the module is missing."""
    nginx = program("nginx")
    version = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True)
    places = list(_MODULE_DIRS)
    for word in version.stderr.split():
        if word.startswith("--modules-path="):
            places.insert(0, word.partition("=")[2])
    for place in places:
        candidate = Path(place) / name
        if candidate.exists():
            return str(candidate)
    pytest.skip(f"nginx has no {name}")


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens just now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether something listens on `port`, without connecting to it."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(wanted) and fields[3] == "0A":
                return True
    return False


PATIENCE_SECONDS = 60.0
"""How long a busy machine may take for what an idle one does at once. How long something takes is
measured by the benchmarks and the lab, not here."""


def wait_until(condition: Callable[[], bool], *, what: str) -> None:
    """Wait for `condition`. Fails the test with `what` when it does not come in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"after {PATIENCE_SECONDS:g} s still waiting for {what}")
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> int:
    """Ask `process` to end, insist after `PATIENCE_SECONDS`; its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
