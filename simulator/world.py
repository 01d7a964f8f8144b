"""Everything the simulated service knows: accounts, grants, resources, and how they change by time.

A change is true at once for what is written next, and seen by reads only after the read lag.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import random
import string
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from playout import clock
from simulator import health, quota
from simulator.faults import Behaviour
from simulator.feed import Feed
from simulator.lifecycle import ENDED, FOLLOWS_BY_ITSELF, NEEDS_DATA, ON_AIR, LifeCycle

log = logging.getLogger(__name__)

DAY_S = 86_400.0
ARCHIVE_LIMIT_S = 12 * 3600.0
"""A broadcast that was live for longer leaves no archive."""
MAX_REFRESH_TOKENS = 100
"""Of one account for one client; beyond, the oldest dies."""
_ACTIVE_FLOOR_S = 1.0
"""However much time is scaled, media comes in real time and is not steadier than this."""
_URL_SAFE = string.ascii_letters + string.digits + "-_"
_KEY_LETTERS = string.ascii_lowercase + string.digits


@dataclass
class Account:
    """Somebody who signs in."""

    email: str
    name: str
    channels: list[str]


@dataclass
class Channel:
    """A channel, and what it may."""

    id: str
    title: str
    handle: str
    is_live_enabled: bool = True
    is_blocked: bool = False
    """Barred from live for a while, as after a strike."""
    is_suspended: bool = False
    is_verified: bool = True
    """By phone: without it there are no custom thumbnails."""
    audience: int = 3
    """Viewers of each live broadcast besides those on our own watch page."""

    @property
    def uploads(self) -> str:
        """The playlist of all its videos."""
        return "UU" + self.id[2:]


@dataclass
class Client:
    """An OAuth client, and the project whose quota its calls use."""

    id: str
    secret: str = field(repr=False)
    project: str
    redirect_uris: list[str] = field(default_factory=list)
    """Exactly these; when empty, any address on this machine."""


@dataclass
class Grant:
    """What one account has allowed one client to do, for one channel."""

    id: str
    client_id: str
    email: str
    channel_id: str
    """Empty for an account without a channel."""
    scopes: list[str]
    issued_at: float
    refresh_token: str = field(default="", repr=False)
    dies_at: float | None = None
    is_revoked: bool = False


@dataclass
class Code:
    """An authorisation code on its way."""

    code: str = field(repr=False)
    grant_id: str
    redirect_uri: str
    challenge: str
    challenge_method: str
    nonce: str
    expires_at: float
    is_used: bool = False


@dataclass
class Refusal:
    """Calls of one method that will be refused."""

    method: str
    reason: str
    status: int
    times: int


@dataclass
class Record:
    """One resource: what it is, and what reads have seen of it."""

    kind: str
    id: str
    channel_id: str
    truth: dict[str, Any]
    """Its parts, as the API names them, and `video` for what only the video has."""
    note: dict[str, Any] = field(default_factory=dict)
    """What the API does not show."""
    is_deleted: bool = False
    history: list[tuple[float, dict[str, Any] | None]] = field(default_factory=list)
    """Since when reads see what; None for nothing."""

    @property
    def state(self) -> LifeCycle:
        """Of a broadcast."""
        return LifeCycle(self.truth["status"]["lifeCycleStatus"])


class World:
    """The state of the service.

    `scale` divides every time that the service takes: 60 makes an hour a minute. `now` is a clock
    for tests; `advance` must be called now and then for what happens by itself.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        scale: float = 1.0,
        behaviour: Behaviour | None = None,
        now: Callable[[], datetime] = clock.utc_now,
    ) -> None:
        if not scale > 0:
            raise ValueError("The time scale must be more than 0.")
        self.behaviour = behaviour or Behaviour()
        self.begun_with = self.behaviour.as_dict()
        """The switches as they were set at the start, and can be set back to."""
        self.scale = scale
        self.chance = random.Random(seed)
        """Of faults and delays."""
        self._names = random.Random(None if seed is None else f"names {seed}")
        self._now = now
        self.offset_s = 0.0
        """How far the service's clock is put forward."""
        self.accounts: dict[str, Account] = {}
        self.channels: dict[str, Channel] = {}
        self.clients: dict[str, Client] = {}
        self.grants: dict[str, Grant] = {}
        self.codes: dict[str, Code] = {}
        self.access_tokens: dict[str, tuple[str, float]] = {}
        """Grant and end of each."""
        self.broadcasts: dict[str, Record] = {}
        self.streams: dict[str, Record] = {}
        self.videos: dict[str, Record] = {}
        """Uploads; the video of a broadcast is the broadcast."""
        self.playlists: dict[str, Record] = {}
        self.playlist_items: dict[str, Record] = {}
        self.thumbnails: dict[str, tuple[str, bytes]] = {}
        """Type and content by video; not kept over a restart."""
        self.feeds: dict[str, list[Feed]] = {}
        """Publishers connected now, by stream."""
        self.watchers: dict[str, int] = {}
        """People on our watch page, by stream."""
        self.units: dict[str, int] = {}
        """Spent, by `project/day`."""
        self.refusals: list[Refusal] = []
        """What the API will refuse, whatever the state is."""
        self.recent_calls: dict[str, deque[float]] = {}
        self.calls: deque[dict[str, Any]] = deque(maxlen=5000)
        """The latest API calls, for people and tests."""
        self.events: deque[dict[str, Any]] = deque(maxlen=500)
        """What happened, in words, without secrets."""
        self.has_changed = False
        """Since the last snapshot."""
        self.tell: Callable[[str], object] = log.info
        """Gets one line for each thing that happens, without secrets."""

    # -- time -----------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The service's clock."""
        return self._now() + timedelta(seconds=self.offset_s)

    def seconds(self) -> float:
        """The same, in seconds since 1970."""
        return self.now().timestamp()

    def scaled(self, seconds: float) -> float:
        """How long something of `seconds` takes here."""
        return seconds / self.scale

    def text_time(self, at: float | None = None) -> str:
        """A moment as the API writes it; this one by default."""
        moment = self.now() if at is None else datetime.fromtimestamp(at, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    # -- names ----------------------------------------------------------------------------------

    def new_name(self, length: int, letters: str = _URL_SAFE) -> str:
        """Random letters; of a seeded world, the same each time."""
        return "".join(self._names.choices(letters, k=length))

    def new_key(self) -> str:
        """A stream key that is not in use."""
        while True:
            key = "-".join(self.new_name(4, _KEY_LETTERS) for _ in range(5))
            if self.stream_of_key(key) is None:
                return key

    def new_video_id(self) -> str:
        """An id that neither a broadcast nor an upload has."""
        while True:
            found = self.new_name(11)
            if found not in self.broadcasts and found not in self.videos:
                return found

    # -- changes --------------------------------------------------------------------------------

    def say(self, text: str, **about: Any) -> None:
        """Note what happened, for people."""
        self.events.append({"at": self.text_time(), "what": text, **about})
        self.tell(" ".join([text, *(str(value) for value in about.values())]))

    def changed(self, record: Record) -> None:
        """Reads will see the record as it is now, after the read lag."""
        self.has_changed = True
        now = self.seconds()
        visible = now + self.scaled(self.chance.uniform(0, self.behaviour.read_lag_s))
        if record.history:
            # Reads never go back to an older state.
            visible = max(visible, record.history[-1][0])
        record.history.append((visible, None if record.is_deleted else copy.deepcopy(record.truth)))
        self._forget_unseen(record, now)

    def seen(self, record: Record) -> dict[str, Any] | None:
        """The record as a read sees it now; None before it is seen, and when it is gone."""
        self._forget_unseen(record, self.seconds())
        if record.history and record.history[0][0] <= self.seconds():
            return record.history[0][1]
        return None

    @staticmethod
    def _forget_unseen(record: Record, now: float) -> None:
        while len(record.history) > 1 and record.history[1][0] <= now:
            record.history.pop(0)

    def add(self, record: Record) -> Record:
        """Keep a new resource."""
        self._table(record.kind)[record.id] = record
        self.changed(record)
        return record

    def delete(self, record: Record) -> None:
        """Remove a resource; reads see it for a while."""
        record.is_deleted = True
        self.changed(record)

    def _table(self, kind: str) -> dict[str, Record]:
        return {
            "broadcast": self.broadcasts,
            "stream": self.streams,
            "video": self.videos,
            "playlist": self.playlists,
            "playlistItem": self.playlist_items,
        }[kind]

    # -- looking things up ----------------------------------------------------------------------

    def stream_of_key(self, key: str) -> Record | None:
        """The stream that a publisher of this key feeds."""
        for stream in self.streams.values():
            if not stream.is_deleted and key == stream.truth["cdn"]["ingestionInfo"]["streamName"]:
                return stream
        return None

    def broadcasts_on(self, stream_id: str) -> Iterator[Record]:
        """Broadcasts bound to a stream."""
        for broadcast in self.broadcasts.values():
            if (
                not broadcast.is_deleted
                and broadcast.truth["contentDetails"].get("boundStreamId") == stream_id
            ):
                yield broadcast

    def is_active(self, broadcast: Record) -> bool:
        """Whether the stream that a broadcast is bound to gets data."""
        stream = self.streams.get(broadcast.truth["contentDetails"].get("boundStreamId", ""))
        return stream is not None and stream.truth["status"]["streamStatus"] == "active"

    def on_air(self, channel_id: str) -> list[Record]:
        """The broadcasts of a channel that count against the limit of live at once."""
        return [
            each
            for each in self.broadcasts.values()
            if each.channel_id == channel_id and not each.is_deleted and each.state in ON_AIR
        ]

    def grant_of_token(self, token: str) -> Grant | None:
        """The grant behind an access token that is still good."""
        grant_id, ends_at = self.access_tokens.get(token, ("", 0.0))
        grant = self.grants.get(grant_id)
        if grant is None or grant.is_revoked or self.seconds() >= ends_at:
            return None
        return grant

    def project_of(self, grant: Grant) -> str:
        """Whose quota its calls use."""
        client = self.clients.get(grant.client_id)
        return client.project if client else grant.client_id

    def units_today(self, project: str) -> int:
        """Spent since midnight in California."""
        return self.units.get(f"{project}/{quota.pacific_day(self.now())}", 0)

    def spend(self, project: str, units: int) -> None:
        """Count units to today."""
        day = f"{project}/{quota.pacific_day(self.now())}"
        self.units[day] = self.units.get(day, 0) + units
        self.has_changed = True

    def viewers(self, broadcast: Record) -> int:
        """Who watches a broadcast now."""
        if broadcast.state is not LifeCycle.LIVE or not self.is_active(broadcast):
            return 0
        bound = broadcast.truth["contentDetails"].get("boundStreamId", "")
        return self.channels[broadcast.channel_id].audience + self.watchers.get(bound, 0)

    # -- what happens by itself -----------------------------------------------------------------

    def advance(self) -> None:
        """Let everything happen that is due."""
        now = self.seconds()
        for stream in self.streams.values():
            if not stream.is_deleted:
                self._advance_stream(stream, now)
        for broadcast in self.broadcasts.values():
            if not broadcast.is_deleted:
                self._advance_broadcast(broadcast, now)

    def _advance_stream(self, stream: Record, now: float) -> None:
        feeds = self.feeds.get(stream.id, [])
        stale_s = max(_ACTIVE_FLOOR_S, self.scaled(self.behaviour.deactivation_s))
        flowing = [
            each for each in feeds if each.last_media_at and now - each.last_media_at < stale_s
        ]
        status = stream.truth["status"]
        was = status["streamStatus"]
        if flowing:
            stream.note["last_media_at"] = max(each.last_media_at or 0 for each in flowing)
            first = min(each.first_media_at or now for each in flowing)
            if was != "active" and now - first >= self.scaled(self.behaviour.activation_s):
                status["streamStatus"] = "active"
                self._became_active(stream, now)
        elif was == "active" and now - stream.note.get("last_media_at", 0) >= stale_s:
            status["streamStatus"] = "inactive"
            status["healthStatus"] = {"status": "noData", "lastUpdateTimeSeconds": str(int(now))}
            self.say("The stream gets no data any more.", stream=stream.id)
        if status["streamStatus"] == "active" and now >= stream.note.get("health_due", 0):
            every_s = max(_ACTIVE_FLOOR_S, self.scaled(self.behaviour.health_every_s))
            stream.note["health_due"] = now + every_s
            status["healthStatus"] = self._health(stream, flowing, now)
            self.changed(stream)
        elif status["streamStatus"] != was:
            self.changed(stream)

    def _health(self, stream: Record, flowing: list[Feed], now: float) -> dict[str, Any]:
        by_side = {each.side: each.figures() for each in flowing}
        figures = by_side.get("primary") or next(iter(by_side.values()), health.Figures())
        resolution = stream.truth["cdn"].get("resolution", "variable")
        issues = health.issues_of(figures, resolution=resolution)
        if len(by_side) == 2:
            issues += health.mismatches_of(by_side["primary"], by_side["backup"])
        return {
            "status": health.verdict(issues),
            "lastUpdateTimeSeconds": str(int(now)),
            "configurationIssues": [issue.resource() for issue in issues],
        }

    def _became_active(self, stream: Record, now: float) -> None:
        self.say("The stream gets data.", stream=stream.id)
        stream.note["health_due"] = 0
        for broadcast in self.broadcasts_on(stream.id):
            content = broadcast.truth["contentDetails"]
            if content["enableAutoStart"] and broadcast.state is LifeCycle.READY:
                # Auto start hears the stream begin; it does not hear a broadcast being bound.
                self.enter(broadcast, LifeCycle.LIVE_STARTING)

    def _advance_broadcast(self, broadcast: Record, now: float) -> None:
        state = broadcast.state
        if state in FOLLOWS_BY_ITSELF:
            due = now >= broadcast.note.get("due", 0) and not self.behaviour.is_stuck_starting
            if due and self.is_active(broadcast):
                self.enter(broadcast, FOLLOWS_BY_ITSELF[state])
        elif state is LifeCycle.LIVE and broadcast.truth["contentDetails"]["enableAutoStop"]:
            if self.is_active(broadcast):
                broadcast.note.pop("silent_since", None)
                return
            since = broadcast.note.setdefault("silent_since", now)
            if now - since >= self.scaled(self.behaviour.auto_stop_s):
                self.enter(broadcast, LifeCycle.COMPLETE)

    def enter(self, broadcast: Record, state: LifeCycle) -> None:
        """Put a broadcast into a state, with all that goes with it."""
        now = self.seconds()
        truth = broadcast.truth
        truth["status"]["lifeCycleStatus"] = state.value
        if state in NEEDS_DATA:
            low, high = self.behaviour.starting_min_s, self.behaviour.starting_max_s
            broadcast.note["due"] = now + self.scaled(self.chance.uniform(low, max(low, high)))
        if state is LifeCycle.LIVE:
            truth["snippet"]["actualStartTime"] = self.text_time()
            truth["status"]["recordingStatus"] = "recording"
            broadcast.note["live_at"] = now
        if state in ENDED:
            truth["snippet"].pop("liveChatId", None)
            if "live_at" in broadcast.note:
                truth["snippet"]["actualEndTime"] = self.text_time()
                lasted_s = (now - broadcast.note["live_at"]) * self.scale
                broadcast.note["ended_at"] = now
                broadcast.note["lasted_s"] = lasted_s
                broadcast.note["has_archive"] = lasted_s < ARCHIVE_LIMIT_S
            truth["status"]["recordingStatus"] = "recorded"
        self.say(f"The broadcast is {state.value}.", broadcast=broadcast.id)
        self.changed(broadcast)

    # -- snapshot -------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """All that must outlive a restart, in JSON's own types."""
        self.has_changed = False
        tables = ("accounts", "channels", "clients", "grants", "codes", "broadcasts", "streams",
                  "videos", "playlists", "playlist_items")  # fmt: skip
        return {
            "format": 1,
            "offset_s": self.offset_s,
            "behaviour": self.behaviour.as_dict(),
            "units": self.units,
            "access_tokens": {token: list(what) for token, what in self.access_tokens.items()},
            **{
                table: [dataclasses.asdict(each) for each in getattr(self, table).values()]
                for table in tables
            },
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up what a snapshot holds. Raises `ValueError` for one of another version."""
        if snapshot.get("format") != 1:
            raise ValueError("The snapshot is of another version of the simulator.")
        try:
            usual = Behaviour().as_dict()
            asked = {k: v for k, v in self.begun_with.items() if v != usual[k]}
            # What was asked for at this start counts more than what was kept from the last one.
            self.behaviour.change(snapshot["behaviour"] | asked)
            self.offset_s = float(snapshot["offset_s"])
            self.units = {day: int(units) for day, units in snapshot["units"].items()}
            self.access_tokens = {
                token: (grant, float(ends)) for token, (grant, ends) in
                snapshot["access_tokens"].items()
            }  # fmt: skip
            self.accounts = {e["email"]: Account(**e) for e in snapshot["accounts"]}
            self.channels = {e["id"]: Channel(**e) for e in snapshot["channels"]}
            self.clients = {e["id"]: Client(**e) for e in snapshot["clients"]}
            self.grants = {e["id"]: Grant(**e) for e in snapshot["grants"]}
            self.codes = {e["code"]: Code(**e) for e in snapshot["codes"]}
            for table in ("broadcasts", "streams", "videos", "playlists", "playlist_items"):
                setattr(self, table, {e["id"]: _record(e) for e in snapshot[table]})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"The snapshot lacks something: {error}.") from error


def _record(values: dict[str, Any]) -> Record:
    history = [(float(at), truth) for at, truth in values["history"]]
    return Record(**{**values, "history": history})
