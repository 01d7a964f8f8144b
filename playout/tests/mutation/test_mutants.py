"""The product is broken on purpose, in a copy, and a named test must turn red for each way.

A fault test that has never been red proves nothing. Each mutant is a small change that a person
could make by mistake; its test is the one that should tell. Survivors are printed by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "playout" / "src"
ENDINGS = "simulation/test_endings.py::"


@dataclass(frozen=True)
class Mutant:
    """A way to break the product: in `file`, `old` becomes `new`; `test` must notice."""

    name: str
    file: str
    old: str
    new: str
    test: str
    """Below playout/tests."""


MUTANTS = (
    Mutant(
        "skips the lease check before a write",
        "publisher/session.py",
        "        if not self._may_send():\n            raise LeaseLost",
        "        if False:\n            raise LeaseLost",
        ENDINGS + "test_not_a_byte_is_sent_once_the_lease_is_gone",
    ),
    Mutant(
        "omits the extended timestamp",
        "rtmp/chunks.py",
        'extension = time.to_bytes(4, "big") if time >= _EXTENDED else b""',
        'extension = b""',
        "unit/test_rtmp_chunks.py",
    ),
    Mutant(
        "drops the jitter of retries",
        "publisher/backoff.py",
        "    return base * (0.5 + 0.5 * random)",
        "    return base",
        "unit/test_backoff.py::test_streams_that_fell_together_do_not_return_together",
    ),
    Mutant(
        "ignores acknowledgements",
        "publisher/session.py",
        "                self._take_acknowledgement()",
        "                pass",
        ENDINGS + "test_a_server_that_breaks_its_habit_of_acknowledging_is_given_up",
    ),
    Mutant(
        "does not patch the delta of a join",
        "pump/lane.py",
        "            low, high = self.cadence\n            if len(self.patches) == 1",
        "            self.patches = {}\n            low, high = self.cadence\n            if False",
        "unit/test_feed.py::test_it_loops_over_items_with_every_frame_once_and_an_unbroken_cadence",
    ),
    Mutant(
        "lets pumps send for longer than the lease lasts",
        "supervisor/supervisor.py",
        "self._pumps.extend_deadline(now + int(self._timing.deadline * 1e9))",
        "self._pumps.extend_deadline(now + int(self._timing.deadline * 4e9))",
        "simulation/test_control.py::test_every_invariant_holds_whatever_strikes",
    ),
    Mutant(
        "goes on with a lease that is gone",
        "supervisor/reconcile.py",
        "        if output_id not in leases and not (has.stopping or has.finished)",
        "        if False",
        "unit/test_reconcile.py",
    ),
    Mutant(
        "forgets the headers of a session",
        "publisher/session.py",
        "            for kind in TrackKind\n            if feed.codec_header(kind)\n",
        "            for kind in TrackKind\n            if False\n",
        "simulation/test_air.py::test_every_invariant_holds_whatever_strikes",
    ),
    Mutant(
        "tries again without waiting",
        "publisher/output.py",
        "            await self._pause(delay * scale)",
        "            await self._pause(0.001)",
        ENDINGS + "test_a_server_that_is_away_is_asked_again_and_again_but_not_hammered",
    ),
    Mutant(
        "repeats an item over the edge of two cycles",
        "timeline/order.py",
        "    first = [entry for entry in range(entries) if entry not in avoided]",
        "    first = list(range(entries))",
        "property/test_order.py::test_what_ends_a_cycle_does_not_begin_the_next",
    ),
    Mutant(
        "reports on air without proof",
        "publisher/session.py",
        "        self._hooks.first_media()\n",
        '        self._hooks.first_media()\n        self._prove("hope")\n',
        ENDINGS + "test_on_air_is_said_of_nothing_that_has_not_arrived",
    ),
    Mutant(
        "leaves a dead session's tail in the kernel",
        "publisher/session.py",
        "                    transport.abort()",
        "                    transport.close()",
        ENDINGS + "test_what_a_black_hole_holds_back_does_not_arrive_after_the_end",
    ),
    Mutant(
        "accepts a report with an old token",
        "testing/memory_store.py",
        "row is not None and row.token == report.token",
        "row is not None",
        "unit/test_memory_store.py::test_a_report_with_an_old_token_is_dropped_with_its_events",
    ),
    Mutant(
        "catches up as fast as it can",
        "pump/pacing.py",
        "    reach = sent_until_ms + int(pace.catch_up * (now_ms - last_tick_ms))",
        "    reach = sent_until_ms + (1 << 30)",
        "unit/test_pacing.py::test_behind_it_catches_up_at_no_more_than_twice_the_rate",
    ),
)


def passes(source: Path, test: str) -> bool:
    """Whether the test passes with the engine at `source`."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow",
         str(ROOT / "playout" / "tests" / test)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(source)}, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), f"{test} did not run:\n{done.stdout[-2000:]}{done.stderr}"
    return done.returncode == 0


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The engine's source, to be broken."""
    return shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))


def test_every_mutant_still_fits_the_source() -> None:
    for mutant in MUTANTS:
        found = (SOURCE / "playout" / mutant.file).read_text().count(mutant.old)
        assert found >= 1, f"{mutant.name}: its line is no longer in {mutant.file}"
        file = ROOT / "playout" / "tests" / mutant.test.partition("::")[0]
        name = mutant.test.partition("::")[2]
        assert f"def {name or 'test_'}" in file.read_text(), f"{mutant.name}: no {mutant.test}"
    assert len(MUTANTS) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_found_out(mutant: Mutant, copy: Path) -> None:
    assert passes(copy, mutant.test), "the test must be green for the product as it is"
    file = copy / "playout" / mutant.file
    file.write_text(file.read_text().replace(mutant.old, mutant.new))
    killed = not passes(copy, mutant.test)
    print(f"{mutant.name:<50} {'found out' if killed else 'SURVIVED':<10} {mutant.test}")
    assert killed, f"The product {mutant.name}, and {mutant.test} does not notice."
