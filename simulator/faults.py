"""What the simulator does by default, and what can be made to go wrong."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from simulator.quota import DEFAULT_UNITS_PER_DAY


@dataclass
class Behaviour:
    """All switches; times are in seconds of the simulated service, before scaling."""

    read_lag_s: float = 20.0
    """Reads show a change after up to so long; 0 shows it at once."""
    lost_answers: float = 0.01
    """Share of API calls that are carried out and then cut off without an answer."""
    lost_after_s: float = 0.0
    """For so long the client of a lost answer waits before it is cut off."""
    loses_next: str = ""
    """The next call of this method, as `liveBroadcasts.insert`, loses its answer; once."""
    starting_min_s: float = 2.0
    starting_max_s: float = 10.0
    """How long testStarting and liveStarting last."""
    is_stuck_starting: bool = False
    """Broadcasts stay in testStarting and liveStarting until this is over."""
    activation_s: float = 3.0
    """From the first media to streamStatus active."""
    deactivation_s: float = 8.0
    """From the last media to streamStatus inactive."""
    health_every_s: float = 10.0
    auto_stop_s: float = 60.0

    api: Literal["up", "down", "silent"] = "up"
    """down answers 503; silent carries nothing out, and never answers."""
    api_errors: float = 0.0
    """Share of API calls answered by 500 without being carried out."""
    api_slow_s: float = 0.0
    oauth: Literal["up", "down", "busy"] = "up"
    """down answers 503, busy 429."""
    oauth_slow_s: float = 0.0
    access_token_s: float = 3600.0
    rotates_refresh_tokens: bool = False
    """Each refresh returns a new refresh token, and the old one dies."""
    is_in_testing: bool = False
    """The OAuth client is unpublished: refresh tokens issued now die after 7 days."""

    units_per_day: int = DEFAULT_UNITS_PER_DAY
    calls_per_minute: int = 1800
    """Of a project; beyond, calls are refused with rateLimitExceeded."""
    broadcasts_at_once: int = 10
    """Live on one channel."""
    broadcasts_per_key: int = 3
    """Live on one stream key; 1 refuses sharing."""
    refuses_sharing_at: Literal["transition", "bind"] = "transition"
    broadcasts_per_day: int = 50
    """Created on one channel."""

    ingest: Literal["up", "refusing", "bad_name", "black_hole", "closing"] = "up"
    """refusing closes at publish, bad_name says so, black_hole accepts and then reads nothing,
    closing accepts and closes at the first media."""
    unknown_key: Literal["close", "bad_name", "after_media", "accept"] = "close"
    """accept takes keys that nobody created, to be watched under /live/ only."""
    ingest_kbps: int = 0
    """Reads no faster than this from each publisher; 0 is no limit."""
    ingest_kick_s: float = 0.0
    """Closes each session after so long; 0 never does."""
    ingest_acknowledges: bool = True
    ingest_ping_s: float = 0.0
    """Pings publishers so often; 0 never does."""

    def change(self, changes: dict[str, Any]) -> None:
        """Set some switches by name; all or, when one is wrong, none. Raises `ValueError`."""
        kinds = get_type_hints(type(self))
        parsed: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in kinds:
                raise ValueError(f"There is no switch {name!r}.")
            parsed[name] = _parsed(name, value, kinds[name])
        for name, value in parsed.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """All switches by name."""
        return dataclasses.asdict(self)


def choices(name: str) -> tuple[str, ...]:
    """The words that a switch takes; empty for numbers and for yes and no."""
    kind = get_type_hints(Behaviour)[name]
    return get_args(kind) if get_origin(kind) is Literal else ()


def _parsed(name: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        raise ValueError(f"{name} is one of {', '.join(get_args(kind))}.")
    if kind is str:
        return str(value)
    if kind is bool:
        if isinstance(value, bool):
            return value
        if value in ("true", "on", "1", "false", "off", "0", ""):
            return value in ("true", "on", "1")
        raise ValueError(f"{name} is true or false.")
    try:
        number = kind(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or not 0 <= number < 1e9:
        raise ValueError(f"{name} is a number of 0 or more.")
    return number
