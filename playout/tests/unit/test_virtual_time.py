"""Simulated time: it passes when nothing else happens, for whoever asks, and never by itself."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from playout import clock as engine_clock
from playout.testing.virtual_time import VirtualClock, VirtualLoop, run


def test_a_day_of_waiting_takes_no_time() -> None:
    clock = VirtualClock()

    async def main() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    ended = run(main(), clock=clock)
    assert time.monotonic() - began < 60
    assert ended == pytest.approx(1000 + 86_400, abs=1e-6)
    assert clock.monotonic_ns() >= (1000 + 86_400) * 10**9


def test_the_whole_engine_reads_it_and_the_real_clock_is_back_afterwards() -> None:
    clock = VirtualClock()
    early_bound = engine_clock.monotonic_ns
    with clock.installed():
        assert early_bound() == engine_clock.boottime_ns() == 1000 * 10**9
        clock.advance(5)
        clock.sleep(70)
        clock.step_wall(-900)
        assert engine_clock.monotonic_ns() == 1000 * 10**9 + 5
        assert engine_clock.boottime_ns() == 1000 * 10**9 + 75
        assert engine_clock.utc_ns() == 1_800_000_000 * 10**9 + 75 - 900
        assert engine_clock.utc_now().year == 2027
    assert abs(engine_clock.utc_ns() - time.time_ns()) < 10**9


def test_a_deadline_fires_at_its_instant_and_not_before() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.25):
                await asyncio.Event().wait()
        return began, loop.time()

    began, ended = run(main())
    assert ended - began == pytest.approx(3.25, abs=1e-6)
    assert ended - began >= 3.25


def test_waiting_for_nothing_is_an_error_instead_of_a_hang() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="Nothing will ever happen"):
        run(main())


def test_a_loop_that_never_waits_is_an_error_instead_of_a_hang() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        descriptor = loop.descriptors.open()
        loop.descriptors.set_ready(descriptor, readable=False, writable=True)
        loop.add_writer(descriptor, lambda: None)
        await asyncio.sleep(1)

    with pytest.raises(RuntimeError, match="without ever waiting"):
        run(main())


def order_of(seed: int) -> list[int]:
    done: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for n in range(12):
            loop.call_later(1, done.append, n)
        await asyncio.sleep(2)

    run(main(), chance=random.Random(seed))
    return done


def test_what_is_due_together_comes_in_an_order_that_the_seed_decides() -> None:
    assert order_of(4) == order_of(4)
    assert order_of(4) != order_of(5)
    assert sorted(order_of(5)) == list(range(12))


def test_a_simulated_descriptor_wakes_its_reader() -> None:
    async def main() -> tuple[list[str], int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        descriptor = loop.descriptors.open()
        said: list[str] = []

        def readable() -> None:
            said.append("readable")
            loop.descriptors.set_ready(descriptor, readable=False, writable=False)

        loop.add_reader(descriptor, readable)
        loop.call_later(
            7, lambda: loop.descriptors.set_ready(descriptor, readable=True, writable=True)
        )
        await asyncio.sleep(6.9)
        assert said == []
        await asyncio.sleep(0.2)
        assert loop.remove_reader(descriptor)
        return said, descriptor

    said, descriptor = run(main())
    assert said == ["readable"]
    assert descriptor > 1 << 19


def test_work_for_a_thread_runs_in_the_loop_and_takes_the_time_it_is_given() -> None:
    async def main() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.work_seconds = lambda: (0.5, 0.25)
        began = loop.time()
        answer = await loop.run_in_executor(None, lambda: 42)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)
        return answer, loop.time() - began

    answer, took = run(main())
    assert answer == 42
    assert took == pytest.approx(1.5, abs=1e-6)


def test_neither_passing_nor_sleeping_goes_back() -> None:
    clock = VirtualClock()
    before = clock.boottime_ns()
    for pass_time in (clock.advance, clock.sleep):
        with pytest.raises(ValueError, match="-1 ns"):
            pass_time(-1)
    assert clock.boottime_ns() == before
