"""Reads source files: opens them safely, looks at their bytes, asks libav in a limited child."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playout.errors import (
    PrepareLimitExceeded,
    SourceCorrupt,
    SourceEmpty,
    SourceNotFound,
    SourceNotMedia,
    SourceTooLarge,
)
from playout.lines import printable
from playout.probe import confine, parse
from playout.probe.parse import Container, MediaInfo, ProbeLimits
from playout.probe.stills import orientation

_CHILD = Path(__file__).with_name("child.py")
_ZERO_SAMPLES = 64


def probe(path: Path, *, limits: ProbeLimits | None = None, stills: bool = False) -> MediaInfo:
    """What the file at `path` is, judged by its content alone.

    A still picture is accepted with `stills` only: who expects a film should be told.

    Raises a `SourceError` with the reason when it cannot be used, `PrepareLimitExceeded` when
    finding out took too much time or memory.
    """
    with open_source(path) as descriptor:
        return probe_descriptor(descriptor, limits=limits, stills=stills)


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[int]:
    """An open descriptor of the regular file at `path`; devices, pipes and folders are refused.

    Raises `SourceNotFound` or `SourceNotMedia`.
    """
    shown = printable(str(path))
    try:
        # Without O_NONBLOCK the opening of a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceNotFound(f"{shown} cannot be opened: {reason}.") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceNotMedia(f"{shown} is not a regular file.")
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def fresh_descriptor(descriptor: int) -> Iterator[int]:
    """The same open file with a read position of its own, to hand to a child."""
    fresh = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fresh
    finally:
        os.close(fresh)


def probe_descriptor(
    descriptor: int, *, limits: ProbeLimits | None = None, stills: bool = False
) -> MediaInfo:
    """Like `probe`, for a file that is open already."""
    limits = limits or ProbeLimits()
    size = os.fstat(descriptor).st_size

    def read_at(offset: int, count: int) -> bytes:
        return os.pread(descriptor, count, offset)

    turned = 1
    try:
        head = read_at(0, parse.HEAD_BYTES)
        if not head.strip(b"\0"):
            _refuse_zeros(descriptor, size)
        container = parse.sniff(head, stills=stills)
        parse.check_whole(container, size, read_at, limits=limits)
        if container.is_still:
            turned = orientation(container.value, read_at)
    except OSError as error:
        raise SourceCorrupt(f"The file cannot be read: {error.strerror}.") from error
    facts = _ask_libav(descriptor, container, limits)
    return parse.media_info(facts, container, size, limits, orientation=turned)


def _refuse_zeros(descriptor: int, size: int) -> None:
    """Raise `SourceEmpty` when samples all over the file are zero; holes are not even read."""
    if size == 0:
        raise SourceEmpty("The file is empty.")
    position = 0
    for sample in range(_ZERO_SAMPLES):
        position = max(position, size * sample // _ZERO_SAMPLES)
        try:
            position = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        if os.pread(descriptor, 4096, position).strip(b"\0"):
            raise SourceNotMedia("The file begins with zeros.")
        position += 4096
        if position >= size:
            break
    raise SourceEmpty("The file holds only zeros.")


def _ask_libav(descriptor: int, container: Container, limits: ProbeLimits) -> dict[str, Any]:
    confinement = confine.Confinement(
        memory_bytes=limits.memory_bytes, cpu_seconds=limits.cpu_seconds
    )
    with fresh_descriptor(descriptor) as source:
        child = confine.spawn(
            [sys.executable, "-I", str(_CHILD), str(source), container.value],
            confinement,
            descriptors=[source],
            stdout=subprocess.PIPE,
        )
        try:
            output, _ = child.communicate(timeout=limits.wall_seconds)
        except subprocess.TimeoutExpired as error:
            raise PrepareLimitExceeded(
                f"Finding out what the file is took more than {limits.wall_seconds:.0f} s."
            ) from error
        finally:
            confine.kill(child)
    if child.returncode in (-signal.SIGKILL, -signal.SIGXCPU):
        raise PrepareLimitExceeded("Finding out what the file is took too much processor time.")
    if child.returncode != 0 or not output:
        raise SourceCorrupt("The file makes the decoder crash.")
    facts: dict[str, Any] = json.loads(output)
    if facts.get("error") == "memory":
        raise SourceTooLarge("The file needs more memory to read than we allow.")
    if "error" in facts:
        raise SourceCorrupt(f"The file looks like {container.title} but cannot be read.")
    return facts
