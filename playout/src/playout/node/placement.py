"""Which pump an output goes to: a pure decision."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from playout.errors import UnknownProfile
from playout.media import video_profile
from playout.supervisor.ports import DesiredOutput

DEFAULT_KBPS = 4500
TLS_FACTOR = 4
"""What encryption costs in CPU, against the plain sending of the same bytes."""


def cost(desired: DesiredOutput) -> int:
    """How much of a pump an output takes: kbit/s, as if they were sent in the plain."""
    kbps = _kbps(desired.programme.profile if desired.programme is not None else "")
    return kbps * (TLS_FACTOR if desired.address.startswith("rtmps:") else 1)


@functools.lru_cache
def _kbps(profile: str) -> int:
    # A pump asks for each of its outputs in each of its reports.
    try:
        return video_profile(profile).kbps
    except UnknownProfile:
        return DEFAULT_KBPS


def choose(loads: Mapping[str, int], *, beside: Iterable[str] = ()) -> str | None:
    """The pump that takes one more output; None when there is none.

    Outputs of one stream go together, so that they share mapped tracks: `beside` names the pumps
    that have some of them. Otherwise it is the least loaded, by name where several are.
    """
    together = [name for name in beside if name in loads]
    candidates = together or loads
    return min(candidates, key=lambda name: (loads[name], name), default=None)
