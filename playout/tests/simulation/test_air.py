"""The whole engine under random faults: every seed that CI runs, and the long ones of test-full.

To replay one: `python -m playout.testing.simulate air --seed N`.
Which invariants hold is said, and checked, in `playout.testing.air_simulation`.
"""

from __future__ import annotations

import pytest

from playout.testing import air_simulation


def assert_holds(seed: int, *, minutes: float) -> None:
    result = air_simulation.simulate(seed, minutes=minutes)
    print("\n".join(result.trace))
    replay = f"python -m playout.testing.simulate air --seed {seed} --minutes {minutes:g}"
    assert not result.violations, "\n".join([*result.violations[:20], f"Replay it: {replay}"])


@pytest.mark.parametrize("seed", range(1, 9))
def test_every_invariant_holds_whatever_strikes(seed: int) -> None:
    assert_holds(seed, minutes=2)


def test_a_seed_gives_the_same_run_again() -> None:
    first, second = (air_simulation.simulate(11, minutes=0.5) for _ in range(2))
    assert first == second
    assert first.messages > 1000


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(1000, 1200, 10))
def test_two_hundred_seeds_of_fifteen_minutes(first: int) -> None:
    for seed in range(first, first + 10):
        assert_holds(seed, minutes=15)
