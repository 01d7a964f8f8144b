"""The states of both roles: two tables that can be printed.

A pair that a table does not list changes nothing.
"""

from __future__ import annotations

import enum
from typing import TypeVar


class PublisherState(enum.Enum):
    """How far a client is."""

    HANDSHAKING = "handshaking"
    CONNECTING = "connecting"
    CREATING_STREAM = "creating_stream"
    REQUESTING_PUBLISH = "requesting_publish"
    PUBLISHING = "publishing"
    UNPUBLISHING = "unpublishing"
    ENDED = "ended"
    REJECTED = "rejected"
    BROKEN = "broken"


class PublisherStep(enum.Enum):
    """What moves a client on."""

    HANDSHAKE_DONE = "handshake_done"
    CONNECT_ACCEPTED = "connect_accepted"
    STREAM_CREATED = "stream_created"
    PUBLISH_ACCEPTED = "publish_accepted"
    UNPUBLISH_ASKED = "unpublish_asked"
    UNPUBLISH_CONFIRMED = "unpublish_confirmed"
    REFUSED = "refused"
    VIOLATED = "violated"


_P, _PS = PublisherState, PublisherStep
_RUNNING = (
    _P.HANDSHAKING,
    _P.CONNECTING,
    _P.CREATING_STREAM,
    _P.REQUESTING_PUBLISH,
    _P.PUBLISHING,
)

TRANSITIONS: dict[tuple[PublisherState, PublisherStep], PublisherState] = {
    (_P.HANDSHAKING, _PS.HANDSHAKE_DONE): _P.CONNECTING,
    (_P.CONNECTING, _PS.CONNECT_ACCEPTED): _P.CREATING_STREAM,
    (_P.CREATING_STREAM, _PS.STREAM_CREATED): _P.REQUESTING_PUBLISH,
    (_P.REQUESTING_PUBLISH, _PS.PUBLISH_ACCEPTED): _P.PUBLISHING,
    **{(state, _PS.UNPUBLISH_ASKED): _P.UNPUBLISHING for state in _RUNNING},
    (_P.PUBLISHING, _PS.UNPUBLISH_CONFIRMED): _P.ENDED,
    (_P.UNPUBLISHING, _PS.UNPUBLISH_CONFIRMED): _P.ENDED,
    **{(state, _PS.REFUSED): _P.REJECTED for state in (*_RUNNING, _P.UNPUBLISHING)},
    **{(state, _PS.VIOLATED): _P.BROKEN for state in _P},
}
"""The client."""


class ReceiverState(enum.Enum):
    """How far a server is with one client."""

    HANDSHAKING = "handshaking"
    WAITING_FOR_CONNECT = "waiting_for_connect"
    DECIDING_CONNECT = "deciding_connect"
    CONNECTED = "connected"
    DECIDING_PUBLISH = "deciding_publish"
    RECEIVING = "receiving"
    BROKEN = "broken"


class ReceiverStep(enum.Enum):
    """What moves a server on."""

    HANDSHAKE_DONE = "handshake_done"
    CONNECT_ASKED = "connect_asked"
    PUBLISH_ASKED = "publish_asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    STREAM_ENDED = "stream_ended"
    VIOLATED = "violated"


_R, _RS = ReceiverState, ReceiverStep

RECEIVER_TRANSITIONS: dict[tuple[ReceiverState, ReceiverStep], ReceiverState] = {
    (_R.HANDSHAKING, _RS.HANDSHAKE_DONE): _R.WAITING_FOR_CONNECT,
    (_R.WAITING_FOR_CONNECT, _RS.CONNECT_ASKED): _R.DECIDING_CONNECT,
    (_R.DECIDING_CONNECT, _RS.ACCEPTED): _R.CONNECTED,
    (_R.DECIDING_CONNECT, _RS.REFUSED): _R.WAITING_FOR_CONNECT,
    (_R.CONNECTED, _RS.PUBLISH_ASKED): _R.DECIDING_PUBLISH,
    (_R.DECIDING_PUBLISH, _RS.ACCEPTED): _R.RECEIVING,
    (_R.DECIDING_PUBLISH, _RS.REFUSED): _R.CONNECTED,
    (_R.RECEIVING, _RS.REFUSED): _R.CONNECTED,
    (_R.RECEIVING, _RS.STREAM_ENDED): _R.CONNECTED,
    **{(state, _RS.VIOLATED): _R.BROKEN for state in _R},
}
"""The server."""

_State = TypeVar("_State")
_Step = TypeVar("_Step")


def after(table: dict[tuple[_State, _Step], _State], state: _State, step: _Step) -> _State:
    """The state that follows; what the table does not list changes nothing."""
    return table.get((state, step), state)
