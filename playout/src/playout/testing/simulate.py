"""Run seeds of a simulation, say what was checked, and print the trace of those that broke it.

    python -m playout.testing.simulate air --seed 7
    python -m playout.testing.simulate control --seed 7 --seeds 20

The same seed gives the same run. Exit status 0 when no invariant was violated, 1 when one was or
a seed could not be run to its end, 2 for arguments with which nothing would be proved.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import traceback
from collections.abc import Sequence

from playout.testing import air_simulation, control_simulation

_MINUTES, _DAYS = 15.0, 7.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that were asked for."""
    options = _parse(arguments)
    broken = []
    for seed in range(options.seed, options.seed + options.seeds):
        began = time.perf_counter()
        try:
            violations, trace, figures = _run(options, seed)
        except Exception as error:  # noqa: BLE001 - the seed must be named, and others go on
            traceback.print_exc()
            print(f"seed {seed}: ended by {type(error).__name__}: {error}", flush=True)
            broken.append(seed)
            continue
        took = time.perf_counter() - began
        if violations or options.trace:
            print("\n".join(trace))
        print(f"seed {seed}: {len(violations)} violations, {figures}, {took:.1f} s", flush=True)
        for violation in violations[:20]:
            print(f"  {violation}")
        if violations:
            broken.append(seed)
    checked = air_simulation.CHECKED if options.what == "air" else control_simulation.CHECKED
    ran = f"{options.seeds} seed{'s' * (options.seeds != 1)}"
    which = f"{len(broken)} broke something ({', '.join(map(str, broken))})"
    print(f"{ran}, {which if broken else 'none broke anything'}. Checked:")
    for what in checked:
        print(f"  {what}")
    return 1 if broken else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m playout.testing.simulate")
    parser.add_argument("what", choices=("air", "control"))
    # Random numbers of -7 are those of 7.
    parser.add_argument("--seed", type=int, default=1, help="0 or more")
    parser.add_argument("--seeds", type=int, default=1, help="so many, from SEED on")
    parser.add_argument("--minutes", type=float, help=f"of simulated time (air; {_MINUTES:g})")
    parser.add_argument("--days", type=float, help=f"of simulated time (control; {_DAYS:g})")
    parser.add_argument("--trace", action="store_true", help="also when nothing broke")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error(f"--seed is {options.seed}; it must be 0 or more")
    if options.seeds < 1:
        parser.error(f"--seeds is {options.seeds}; it must be 1 or more")
    foreign = "days" if options.what == "air" else "minutes"
    if getattr(options, foreign) is not None:
        parser.error(f"--{foreign} is not for {options.what}")
    options.minutes = _MINUTES if options.minutes is None else options.minutes
    options.days = _DAYS if options.days is None else options.days
    for name in ("minutes", "days"):
        length = getattr(options, name)
        if not 0 < length < math.inf:
            parser.error(f"--{name} is {length:g}; it must be more than 0")
    return options


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
