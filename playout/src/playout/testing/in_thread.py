"""Runs a server of `playout.testing` in a thread with a loop of its own, for tests without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class InThread(Generic[T]):
    """Keeps an asynchronous context open in another thread while the block runs.

        with InThread(lambda: FaultProxy("127.0.0.1", port)) as running:
            running.call(running.it.reset)

    Raises on entry what entering the context raises.
    """

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._leave = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._entered: Future[T] = Future()
        self.it: T

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
        finally:
            self._loop.close()

    async def _live(self) -> None:
        try:
            async with self._make() as it:
                self._entered.set_result(it)
                await self._leave.wait()
        except BaseException as error:
            if self._entered.done():
                raise
            self._entered.set_exception(error)

    def call(self, work: Callable[[], R]) -> R:
        """What `work` returns, called in the loop's thread."""
        answer: Future[R] = Future()

        def settle() -> None:
            try:
                answer.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whoever called gets it
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(settle)
        return answer.result(10)

    def start(self) -> Self:
        """Enter the context; `stop` leaves it."""
        self._thread.start()
        self.it = self._entered.result(10)
        return self

    def stop(self) -> None:
        """Leave the context and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._leave.set)
            self._thread.join(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
