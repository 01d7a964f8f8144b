"""A child process that answers each line with a line, and ends when nobody writes any more."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from playout.errors import PlayoutError

_END_SECONDS = 10


class Child:
    """Runs `command` until `close`; what it writes to stderr goes to ours."""

    def __init__(self, name: str, command: Sequence[str | Path]) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @classmethod
    def of_module(cls, name: str, module: str, *arguments: str | Path) -> Self:
        """Run a module of this package with this interpreter."""
        return cls(name, [sys.executable, "-m", module, *arguments])

    @property
    def pid(self) -> int:
        """The process to read the cost of."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def tell(self, line: str) -> None:
        """Write a line; raises `PlayoutError` when the child has gone."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
        except OSError as error:
            raise PlayoutError(f"The {self._name} has ended too early.") from error

    def hear(self) -> str:
        """Wait for a line; raises `PlayoutError` when the child has gone."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise PlayoutError(f"The {self._name} has ended too early.")
        return line.strip()

    def ask(self, line: str) -> str:
        """Write a line and wait for the answer."""
        self.tell(line)
        return self.hear()

    def close(self) -> None:
        """Let it end, or end it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
