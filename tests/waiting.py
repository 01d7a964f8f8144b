"""Waiting for what happens soon: how soon is measured by the benchmarks and the lab, not here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 60.0
"""How long a busy machine may take for what an idle one does at once."""


def wait_until(
    is_so: Callable[[], Any], what: str | Callable[[], str], *, seconds: float = PATIENCE_SECONDS
) -> Any:
    """The first true answer of `is_so`; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := is_so()):
        said = what if isinstance(what, str) else what()
        assert time.monotonic() < deadline, f"After {seconds:g} s: {said}"
        time.sleep(0.05)
    return answer
