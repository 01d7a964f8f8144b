"""Run seeds of a simulation, and print the trace of those that broke something.

    python -m playout.testing.simulate air --seed 7
    python -m playout.testing.simulate control --seed 7 --seeds 20

Exit status 0 when no invariant was violated, 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from playout.testing import air_simulation, control_simulation


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m playout.testing.simulate")
    parser.add_argument("what", choices=("air", "control"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="so many, from SEED on")
    parser.add_argument("--minutes", type=float, default=15.0, help="of simulated time (air)")
    parser.add_argument("--days", type=float, default=7.0, help="of simulated time (control)")
    parser.add_argument("--trace", action="store_true", help="also when nothing broke")
    options = parser.parse_args(arguments)
    broken = 0
    for seed in range(options.seed, options.seed + options.seeds):
        began = time.perf_counter()
        violations, trace, figures = _run(options, seed)
        took = time.perf_counter() - began
        if violations or options.trace:
            print("\n".join(trace))
        print(f"seed {seed}: {len(violations)} violations, {figures}, {took:.1f} s")
        for violation in violations[:20]:
            print(f"  {violation}")
        broken += bool(violations)
    return 1 if broken else 0


def _run(options: argparse.Namespace, seed: int) -> tuple[list[str], list[str], str]:
    """Violations, trace and figures of one seed."""
    if options.what == "air":
        air = air_simulation.simulate(seed, minutes=options.minutes)
        faults = sum(air.faults.values())
        figures = f"{air.sessions} sessions, {air.messages} messages, {faults} faults"
        return air.violations, air.trace, figures
    control = control_simulation.simulate(seed, days=options.days)
    figures = f"{control.events} events, {control.sweeps} sweeps, {control.days:.1f} days"
    return control.violations, control.trace, figures


if __name__ == "__main__":
    sys.exit(main())
