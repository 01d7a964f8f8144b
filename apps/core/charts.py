"""Numbers over time, as the component `chart` of the pages draws them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of one line before anything is drawn."""

    label: str
    value: int | None
    """At the last moment of which anything is known; None when it is not known of this line."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template hands to `components/chart.html`."""

    at: datetime
    """The last moment of which anything is known."""
    lines: list[Line]
    data: str
    """Times and lines for the script that draws."""


def chart(times: Sequence[int], lines: Sequence[tuple[str, Sequence[int | None]]]) -> Chart | None:
    """The lines, by label, over the same times in seconds; None when nothing is known."""
    known = [n for n in range(len(times)) if any(values[n] is not None for _, values in lines)]
    if not known:
        return None
    last = known[-1]
    data = {"times": list(times), "lines": [list(values) for _, values in lines]}
    return Chart(
        datetime.fromtimestamp(times[last], UTC),
        [Line(label, values[last]) for label, values in lines],
        json.dumps(data, separators=(",", ":")),
    )
