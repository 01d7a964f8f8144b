"""`python -m playout.testing.simulate air --seed 7`: run one seed, print its trace and what broke.

Exit status 0 when no invariant was violated, 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from playout.testing import air_simulation


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m playout.testing.simulate")
    parser.add_argument("what", choices=("air",))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="so many, from SEED on")
    parser.add_argument("--minutes", type=float, default=15.0, help="of simulated time")
    parser.add_argument("--trace", action="store_true", help="also when nothing broke")
    options = parser.parse_args(arguments)
    broken = 0
    for seed in range(options.seed, options.seed + options.seeds):
        began = time.perf_counter()
        result = air_simulation.simulate(seed, minutes=options.minutes)
        took = time.perf_counter() - began
        if result.violations or options.trace:
            print("\n".join(result.trace))
        print(
            f"seed {seed}: {len(result.violations)} violations, {result.sessions} sessions, "
            f"{result.messages} messages, {sum(result.faults.values())} faults, {took:.1f} s"
        )
        for violation in result.violations[:20]:
            print(f"  {violation}")
        broken += bool(result.violations)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
