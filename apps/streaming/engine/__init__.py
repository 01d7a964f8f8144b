"""The database side of `playout.supervisor.ports`: the only writer of reported state."""

from apps.streaming.engine.ports import (
    DatabaseEngine,
    LocalTracks,
    peer_addresses,
    record_pumps,
    register_node,
)
from apps.streaming.engine.tracks import TracksHere

__all__ = [
    "DatabaseEngine",
    "LocalTracks",
    "TracksHere",
    "peer_addresses",
    "record_pumps",
    "register_node",
]
