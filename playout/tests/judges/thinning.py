"""Which cases of a long family CI runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first(count: int, cases: Iterable[Any]) -> list[Any]:
    """The cases for `parametrize`; those after the first `count` are left to `make test-full`.

    For families whose every case encodes for seconds, with what differs most put first.
    """
    marked = []
    for number, case in enumerate(cases):
        values = case if isinstance(case, tuple) else (case,)
        marked.append(pytest.param(*values, marks=[pytest.mark.slow] if number >= count else []))
    return marked
