"""What a workspace may use: the one port through which the rest of the product asks."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import Workspace


@dataclass(frozen=True, slots=True)
class Entitlements:
    """Limits of one workspace."""

    plan: str
    storage_bytes: int
    """Sum of source files and prepared tracks."""
    streams_on_air: int
    """Outputs that may be wished on at the same time."""
    greatest_height: int
    """Of a profile, in lines."""


DEFAULT_PLAN = Entitlements(
    plan="standard", storage_bytes=200 << 30, streams_on_air=10, greatest_height=2160
)


def entitlements_for(workspace: Workspace) -> Entitlements:
    """What `workspace` may use now; every workspace has the same plan until plans are sold."""
    return DEFAULT_PLAN
