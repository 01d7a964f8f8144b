"""The n-th call fails, for n = 1, 2, … until none does: once, and from then on.

A short life on air (start, an edit, a lost connection, a stop) is run again and again. In each run
one call fails: of a socket, of a track's file, of the store, or of the conversation between
control and pump. Then what must hold whatever happens is checked, as `air_simulation` says.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from playout.testing.air_simulation import HOST, SLOW, Air
from playout.testing.history import SECOND, Span
from playout.testing.quiet import unlogged
from playout.testing.virtual_time import run
from playout.tracks import reader

KINDS = ("socket", "file", "store", "message")
FOR_EVER_NS = 1 << 62


class Failure:
    """Counts calls; the n-th fails, and all later ones unless it is to happen once."""

    def __init__(self, n: int, *, once: bool, now_ns: Callable[[], int]) -> None:
        self.n = n
        self.once = once
        self.calls = 0
        self.at_ns: int | None = None
        self.is_armed = False
        self._now_ns = now_ns

    def strikes(self) -> bool:
        if not self.is_armed:
            return False
        self.calls += 1
        hit = self.calls == self.n if self.once else self.calls >= self.n
        if hit and self.at_ns is None:
            self.at_ns = self._now_ns()
        return hit


class ShortLife(Air):
    """Six seconds of a twentieth: two minutes."""

    failure: Failure
    kind: str

    async def _suffer(self, until: float) -> None:
        self.failure.is_armed = True
        if self.kind == "socket":
            self.network.fails = self.failure.strikes
        elif self.kind == "store":
            for node in self.nodes:
                node.store.fails = self._store_fails
        elif self.kind == "message":
            for node in self.nodes:
                node.message_fails = self.failure.strikes
        await asyncio.sleep(1.0)
        self.edit()
        await asyncio.sleep(1.5)
        self.excuses.append(Span(self._now(), self._now() + SECOND, "reset"))
        self.network.reset(HOST)
        await asyncio.sleep(1.5)

    def judge(self) -> list[str]:
        self.failure.is_armed = False
        if self.failure.at_ns is not None:
            end = self.failure.at_ns + int(SLOW * SECOND) if self.failure.once else FOR_EVER_NS
            self.excuses.append(Span(self.failure.at_ns, end, "failure"))
            # What a node could not hear of, or could not open, it could not play.
            self.damage += [(item.id, self.excuses[-1]) for item in self.items]
        return super().judge()

    def _now(self) -> int:
        return self.clock.boottime_ns()

    def _store_fails(self, number: int, name: str) -> str:
        if not self.failure.strikes():
            return ""
        return "answer" if self.failure.n % 2 else "request"


@contextmanager
def failing_files(failure: Failure | None) -> Iterator[None]:
    """`os.open` of tracks fails when `failure` strikes."""
    if failure is None:
        yield
        return
    real = reader.os.open

    def fragile(path: object, *args: int, **options: object) -> int:
        if str(path).endswith((".index", ".track")) and failure.strikes():
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *args, **options)  # type: ignore[arg-type]

    with patch.object(reader.os, "open", fragile):
        yield


@unlogged()
def live(directory: Path, kind: str, n: int, *, once: bool) -> bool:
    """One life with one failure; whether it struck. Asserts what must hold."""
    directory.mkdir()
    life = ShortLife(3, minutes=0, directory=directory)
    life.keys = ("key-0",)
    life.kind = kind
    life.failure = failure = Failure(n, once=once, now_ns=life.clock.boottime_ns)
    with failing_files(failure if kind == "file" else None):
        run(life.live(), clock=life.clock, chance=random.Random(n))
        violations = life.judge()
    if failure.at_ns is not None and not once:
        # Without a store nobody hears of a stop, and nothing more can be asked of it.
        violations = [text for text in violations if not text.startswith("I8")]
    if kind == "file":
        # Without sound that can be opened, pictures go on air alone: one header less.
        violations = [text for text in violations if "video header, key frame, video" not in text]
    assert not violations, (
        f"{kind} call {n}, {'once' if once else 'from then on'}: {violations[:5]}"
    )
    return failure.at_ns is not None


def go_through(directory: Path, kind: str, *, once: bool, step: int) -> int:
    """Fail every `step`-th call in turn until none is left; how many that were."""
    for count, n in enumerate(itertools.count(1, step)):
        if not live(directory / f"{kind}-{n}", kind, n, once=once):
            return count
    raise AssertionError("there is an end to everything")


@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_call_may_fail(tmp_path: Path, kind: str, once: bool) -> None:
    step = {"socket": 97, "file": 7, "store": 61, "message": 41}[kind]
    assert go_through(tmp_path, kind, once=once, step=step) >= 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_single_call_may_fail(tmp_path: Path, kind: str, once: bool) -> None:
    step = {"socket": 3, "file": 1, "store": 2, "message": 1}[kind]
    # Files: index and data, of pictures and of sound, of three items and what is edited in.
    least = 12 if kind == "file" else 20
    assert go_through(tmp_path, kind, once=once, step=step) > least
