"""Runs the pinned ffmpeg in a limited child and hands on what it writes into pipes."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import selectors
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg

from playout import clock
from playout.errors import PrepareCancelled, PrepareError, PrepareLimitExceeded, SourceCorrupt
from playout.prepare.plan import DEFAULT_MEMORY_BYTES
from playout.probe import confine

_READ_BYTES = 256 << 10
_STDERR_BYTES = 16 << 10
_POLL_SECONDS = 0.2
STALL_SECONDS = 300.0
"""An encoder that writes nothing for so long is stuck."""

Sink = Callable[[bytes], None]


@functools.cache
def ffmpeg_path() -> str:
    """The one ffmpeg that makes our headers. Raises `PrepareError` when it is not installed."""
    try:
        return str(Path(imageio_ffmpeg.get_ffmpeg_exe()).resolve())
    except RuntimeError as error:
        raise PrepareError(
            "There is no ffmpeg.", advice="Install the package imageio-ffmpeg again."
        ) from error


class Encoder:
    """Runs ffmpeg, one run after the other, within one time limit."""

    def __init__(
        self,
        *,
        wall_seconds: float,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._deadline_ns = clock.monotonic_ns() + int(wall_seconds * 1e9)
        self._wall_seconds = wall_seconds
        self._confinement = confine.Confinement(memory_bytes=memory_bytes)
        self._cancelled = cancelled or (lambda: False)
        self._asked_ns = 0

    def check(self) -> None:
        """Raise `PrepareCancelled` or `PrepareLimitExceeded` when it is time to stop."""
        now = clock.monotonic_ns()
        if now - self._asked_ns >= _POLL_SECONDS * 1e9:
            # Not at each read: whoever is asked may have to ask a database.
            self._asked_ns = now
            if self._cancelled():
                raise PrepareCancelled("The preparation was cancelled.")
        if now > self._deadline_ns:
            raise PrepareLimitExceeded(
                f"The preparation took more than {self._wall_seconds:.0f} s."
            )

    def run(
        self,
        arguments: Callable[[Sequence[int]], Sequence[str]],
        sinks: Sequence[Sink],
        *,
        descriptors: Sequence[int] = (),
        loglevel: str = "error",
    ) -> str:
        """Run to the end; `arguments` is given the pipe that each of `sinks` reads from.

        Returns the end of what ffmpeg printed. Raises `SourceCorrupt` when ffmpeg fails,
        `PrepareCancelled` or `PrepareLimitExceeded`; the child is gone then.
        """
        with contextlib.ExitStack() as stack:
            pipes = [os.pipe() for _ in range(len(sinks) + 1)]
            for reading, _ in pipes:
                stack.callback(os.close, reading)
            writing = [end for _, end in pipes]
            try:
                for end in writing[1:]:
                    with contextlib.suppress(OSError):
                        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 1 << 20)
                process = confine.spawn(
                    [
                        ffmpeg_path(), "-nostdin", "-hide_banner", "-nostats",
                        "-loglevel", loglevel, *arguments(writing[1:]),
                    ],
                    self._confinement,
                    descriptors=[*writing[1:], *descriptors],
                    stderr=writing[0],
                )  # fmt: skip
            finally:
                for end in writing:
                    os.close(end)
            stack.callback(confine.kill, process)
            printed = _Tail()
            self._pass_on([reading for reading, _ in pipes], [printed.add, *sinks])
            self._wait(process)
            text = printed.text()
            if process.returncode != 0:
                raise _failure(process.returncode, text)
            return text

    def _pass_on(self, readings: Sequence[int], sinks: Sequence[Sink]) -> None:
        last_ns = clock.monotonic_ns()
        with selectors.DefaultSelector() as selector:
            for reading, sink in zip(readings, sinks, strict=True):
                selector.register(reading, selectors.EVENT_READ, sink)
            while selector.get_map():
                ready = selector.select(_POLL_SECONDS)
                self.check()
                if ready:
                    last_ns = clock.monotonic_ns()
                elif clock.monotonic_ns() - last_ns > STALL_SECONDS * 1e9:
                    raise PrepareLimitExceeded(
                        f"The encoder made no progress for {STALL_SECONDS:.0f} s."
                    )
                for key, _ in ready:
                    data = os.read(key.fd, _READ_BYTES)
                    if data:
                        key.data(data)
                    else:
                        selector.unregister(key.fd)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
                return
            self.check()


class _Tail:
    """The end of what a child prints; hostile files can make it print without end."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, data: bytes) -> None:
        self._bytes += data
        del self._bytes[:-_STDERR_BYTES]

    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace")


def _failure(returncode: int, printed: str) -> Exception:
    # Without memory for a stack no thread can be made either: EAGAIN.
    if "Cannot allocate memory" in printed or "Resource temporarily unavailable" in printed:
        return PrepareLimitExceeded("The encoder needed more memory than it may use.")
    lines = [line for line in printed.splitlines() if line.strip()]
    last = "".join(mark for mark in lines[-1] if mark.isprintable())[:200] if lines else ""
    if returncode < 0:
        return SourceCorrupt(f"The decoder crashed on the file (signal {-returncode}). {last}")
    return SourceCorrupt(f"The file cannot be decoded to its end: {last}")
