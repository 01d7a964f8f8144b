"""How long what YouTube told us may be kept once nobody can ask it any more. Pure.

YouTube's developer policies: authorised data is kept for at most 30 days without proof that the
access still works, and 7 days after its owner asked for it to go.
"""

from __future__ import annotations

from datetime import datetime, timedelta

UNREACHABLE = timedelta(days=30)
"""After the access worked last."""
DISCONNECTED = timedelta(days=7)
"""After somebody disconnected the channel, which asks us to forget it."""
REREAD = timedelta(days=7)
"""Titles and the like are read anew that often."""


def is_to_be_forgotten(
    *, is_disconnected: bool, since: datetime, proved_at: datetime | None, now: datetime
) -> bool:
    """Whether what was told of a channel has to go.

    `since` is when its state began, `proved_at` when its access worked last.
    """
    if is_disconnected:
        return now - since >= DISCONNECTED
    return now - (proved_at or since) >= UNREACHABLE
