"""The load receiver as a child process: the C program, or its stand-in in Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from playout.bench.certificate import Certificate
from playout.bench.child import Child

SMALLEST_CHUNK = 128


@dataclass(frozen=True, slots=True)
class Received:
    """What the receiver has seen so far; `connections` and `publishing` are those open now."""

    connections: int
    publishing: int
    bytes: int


class Receiver:
    """A receiver of RTMP that throws media away; `program` is the C one, None for Python's.

    It announces chunks of `chunk_size` bytes, and nothing when that is RTMP's own 128. ffmpeg sends
    in chunks of the size that its receiver announces. Raises `PlayoutError` when it does not start.
    """

    def __init__(
        self,
        program: Path | None,
        certificate: Certificate | None = None,
        *,
        chunk_size: int = SMALLEST_CHUNK,
    ) -> None:
        files = [certificate.file, certificate.key] if certificate is not None else []
        if program is None:
            self._child = Child.of_module(
                "load receiver", "playout.bench.python_sink", str(chunk_size), *files
            )
        else:
            self._child = Child("load receiver", [program, str(chunk_size), *files])
        self.port = int(self._child.hear().removeprefix("port "))
        self._scheme = "rtmps" if certificate is not None else "rtmp"

    @property
    def address(self) -> str:
        """The publishing address without a key."""
        return f"{self._scheme}://localhost:{self.port}/live"

    def read(self) -> Received:
        """Ask it what it has seen; raises `PlayoutError` when it has gone."""
        words = self._child.ask("").split()
        return Received(int(words[1]), int(words[3]), int(words[5]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.close()
