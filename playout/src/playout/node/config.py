"""What a node is called, where it lives, and what its pumps may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from playout import __version__
from playout.supervisor.supervisor import Timing


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Given once, at the start of control."""

    name: str
    directory: Path
    """Only for this node's user; sockets, deadlines and journals of pumps lie here."""
    capacity: int = 2000
    pumps: int = 1
    """Pump processes that share the outputs."""
    policy: str = "public"
    """`public`: globally routable addresses only; `private`: any address."""
    allow: tuple[str, ...] = ()
    """Networks or `host:port` pairs that are permitted in addition."""
    ca_file: str | None = None
    read_ahead: int = 15 << 20
    """Bytes of each stream that a pump reads before they are due."""
    release: str = __version__
    """A pump of another release is emptied, one output after the other, and then ended."""
    keep_when_cut_off: bool = False
    """Cut off from store and peers alike: go on all the same, at the risk of two publishers."""
    hang_seconds: float = 10.0
    """A pump whose loop has not turned for so long is killed."""
    timing: Timing = field(default_factory=Timing)
