"""Three nodes through days of faults and edits: every seed that CI runs, and those of test-full.

To replay one: `python -m playout.testing.simulate control --seed N`.
Which invariants hold is said, and checked, in `playout.testing.control_simulation`.
"""

from __future__ import annotations

import logging

import pytest

from playout.testing import control_simulation


def assert_holds(seed: int, *, days: float) -> None:
    result = control_simulation.simulate(seed, days=days)
    print("\n".join(result.trace))
    replay = f"python -m playout.testing.simulate control --seed {seed} --days {days:g}"
    assert not result.violations, "\n".join([*result.violations[:20], f"Replay it: {replay}"])
    assert result.shown > 100
    assert result.days >= days


@pytest.mark.parametrize("seed", range(1, 9))
def test_every_invariant_holds_whatever_strikes(seed: int) -> None:
    assert_holds(seed, days=1.5)


def test_a_seed_gives_the_same_run_again() -> None:
    first, second = (control_simulation.simulate(11, days=0.5) for _ in range(2))
    assert first == second


def test_the_engine_logs_as_before_afterwards() -> None:
    control_simulation.simulate(11, days=0.01)
    assert logging.getLogger("playout").isEnabledFor(logging.WARNING)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(1000, 1200, 20))
def test_two_hundred_seeds_of_seven_days(first: int) -> None:
    for seed in range(first, first + 20):
        assert_holds(seed, days=7)
