"""The states of an output: one table that can be printed (docs/reference/states.md)."""

from __future__ import annotations

import enum


class OutputState(enum.Enum):
    """What one output is doing, as its node reports it."""

    IDLE = "idle"
    PREPARING = "preparing"
    CONNECTING = "connecting"
    ON_AIR = "on_air"
    DEGRADED = "degraded"
    RECONNECTING = "reconnecting"
    STOPPING = "stopping"
    FAILED = "failed"


class Happening(enum.Enum):
    """What moves an output from one state to another."""

    WANTED = "wanted"
    MEDIA_MISSING = "media_missing"
    ACKNOWLEDGED = "acknowledged"
    SLOW = "slow"
    LINK_LOST = "link_lost"
    UNWANTED = "unwanted"
    ENDED = "ended"
    SETTINGS_WRONG = "settings_wrong"


_S, _H = OutputState, Happening

TRANSITIONS: dict[tuple[OutputState, Happening], OutputState] = {
    (_S.IDLE, _H.WANTED): _S.CONNECTING,
    (_S.IDLE, _H.MEDIA_MISSING): _S.PREPARING,
    (_S.PREPARING, _H.ACKNOWLEDGED): _S.ON_AIR,
    (_S.PREPARING, _H.LINK_LOST): _S.RECONNECTING,
    (_S.CONNECTING, _H.MEDIA_MISSING): _S.PREPARING,
    (_S.CONNECTING, _H.ACKNOWLEDGED): _S.ON_AIR,
    (_S.CONNECTING, _H.LINK_LOST): _S.RECONNECTING,
    (_S.ON_AIR, _H.SLOW): _S.DEGRADED,
    (_S.ON_AIR, _H.MEDIA_MISSING): _S.PREPARING,
    (_S.ON_AIR, _H.LINK_LOST): _S.RECONNECTING,
    (_S.DEGRADED, _H.ACKNOWLEDGED): _S.ON_AIR,
    (_S.DEGRADED, _H.MEDIA_MISSING): _S.PREPARING,
    (_S.DEGRADED, _H.LINK_LOST): _S.RECONNECTING,
    (_S.RECONNECTING, _H.ACKNOWLEDGED): _S.ON_AIR,
    (_S.RECONNECTING, _H.MEDIA_MISSING): _S.PREPARING,
    (_S.FAILED, _H.WANTED): _S.CONNECTING,
    **{
        (state, _H.SETTINGS_WRONG): _S.FAILED for state in _S if state not in (_S.IDLE, _S.STOPPING)
    },
    **{(state, _H.UNWANTED): _S.STOPPING for state in _S if state is not _S.IDLE},
    **{(state, _H.ENDED): _S.IDLE for state in _S},
}


def after(state: OutputState, happening: Happening) -> OutputState:
    """The state that follows; what the table does not list changes nothing."""
    return TRANSITIONS.get((state, happening), state)
