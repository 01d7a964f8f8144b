"""The life of a broadcast as one table; nothing else decides what may follow what."""

from __future__ import annotations

import enum


class LifeCycle(enum.StrEnum):
    """`status.lifeCycleStatus`."""

    CREATED = "created"
    READY = "ready"
    TEST_STARTING = "testStarting"
    TESTING = "testing"
    LIVE_STARTING = "liveStarting"
    LIVE = "live"
    COMPLETE = "complete"
    REVOKED = "revoked"


class Wish(enum.StrEnum):
    """`broadcastStatus` of a transition."""

    TESTING = "testing"
    LIVE = "live"
    COMPLETE = "complete"


class Refusal(enum.StrEnum):
    """Why a transition is refused, as the API words it."""

    INVALID = "invalidTransition"
    REDUNDANT = "redundantTransition"
    INACTIVE = "errorStreamInactive"


FOLLOWS_BY_ITSELF = {
    LifeCycle.TEST_STARTING: LifeCycle.TESTING,
    LifeCycle.LIVE_STARTING: LifeCycle.LIVE,
}
"""States that only last a while, and what comes after them."""

NEEDS_DATA = frozenset({LifeCycle.TEST_STARTING, LifeCycle.LIVE_STARTING})
"""States that are entered only while the bound stream is active."""

TRANSITIONS: dict[tuple[LifeCycle, Wish], LifeCycle | Refusal] = {
    (LifeCycle.CREATED, Wish.TESTING): Refusal.INVALID,
    (LifeCycle.CREATED, Wish.LIVE): Refusal.INVALID,
    (LifeCycle.CREATED, Wish.COMPLETE): Refusal.INVALID,
    (LifeCycle.READY, Wish.TESTING): LifeCycle.TEST_STARTING,
    (LifeCycle.READY, Wish.LIVE): LifeCycle.LIVE_STARTING,
    (LifeCycle.READY, Wish.COMPLETE): Refusal.INVALID,
    (LifeCycle.TEST_STARTING, Wish.TESTING): Refusal.REDUNDANT,
    (LifeCycle.TEST_STARTING, Wish.LIVE): Refusal.INVALID,
    (LifeCycle.TEST_STARTING, Wish.COMPLETE): LifeCycle.COMPLETE,
    (LifeCycle.TESTING, Wish.TESTING): Refusal.REDUNDANT,
    (LifeCycle.TESTING, Wish.LIVE): LifeCycle.LIVE_STARTING,
    (LifeCycle.TESTING, Wish.COMPLETE): LifeCycle.COMPLETE,
    (LifeCycle.LIVE_STARTING, Wish.TESTING): Refusal.INVALID,
    (LifeCycle.LIVE_STARTING, Wish.LIVE): Refusal.REDUNDANT,
    (LifeCycle.LIVE_STARTING, Wish.COMPLETE): LifeCycle.COMPLETE,
    (LifeCycle.LIVE, Wish.TESTING): Refusal.INVALID,
    (LifeCycle.LIVE, Wish.LIVE): Refusal.REDUNDANT,
    (LifeCycle.LIVE, Wish.COMPLETE): LifeCycle.COMPLETE,
    (LifeCycle.COMPLETE, Wish.TESTING): Refusal.INVALID,
    (LifeCycle.COMPLETE, Wish.LIVE): Refusal.INVALID,
    (LifeCycle.COMPLETE, Wish.COMPLETE): Refusal.REDUNDANT,
    (LifeCycle.REVOKED, Wish.TESTING): Refusal.INVALID,
    (LifeCycle.REVOKED, Wish.LIVE): Refusal.INVALID,
    (LifeCycle.REVOKED, Wish.COMPLETE): Refusal.INVALID,
}

ENDED = frozenset({LifeCycle.COMPLETE, LifeCycle.REVOKED})
ON_AIR = frozenset({LifeCycle.LIVE_STARTING, LifeCycle.LIVE})
"""States that count against the limits of broadcasts at once."""
FROZEN = frozenset(LifeCycle) - {LifeCycle.CREATED, LifeCycle.READY}
"""States in which most settings cannot be changed any more, nor the broadcast be deleted."""


def judge(
    state: LifeCycle, wish: Wish, *, has_monitor: bool, is_active: bool
) -> LifeCycle | Refusal:
    """The state that a request leads to, or why it is refused.

    `has_monitor` is `enableMonitorStream`, `is_active` whether the bound stream gets data.
    """
    result = TRANSITIONS[state, wish]
    if isinstance(result, Refusal):
        return result
    if state is LifeCycle.READY and has_monitor is not (wish is Wish.TESTING):
        # With a monitor stream a broadcast is tested first; without one it cannot be.
        return Refusal.INVALID
    if result in NEEDS_DATA and not is_active:
        return Refusal.INACTIVE
    return result
