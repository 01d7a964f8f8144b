"""Starts programs that read hostile files: limited, without network, dying with their parent."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a child may use."""

    memory_bytes: int
    """Address space."""
    cpu_seconds: int | None = None
    nice: int = 5


def spawn(
    argv: Sequence[str],
    confinement: Confinement,
    *,
    descriptors: Sequence[int] = (),
    stdout: int | IO[bytes] | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start `argv` (an absolute program path first) in its own process group.

    The child sees a clean environment and only `descriptors` beside its standard ones; it can
    write no file, and is killed when the calling thread ends. End it with `kill`.
    """
    resources = {
        "RLIMIT_AS": confinement.memory_bytes,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 256,
    }
    if confinement.cpu_seconds is not None:
        resources["RLIMIT_CPU"] = confinement.cpu_seconds
    limits = {"resources": resources, "nice": confinement.nice, "parent": os.getpid()}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(limits), *argv],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(descriptors),
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        cwd="/",
        process_group=0,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End `process` and its group at once, and wait for it. Harmless when it has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()
