"""What is really on air, and what to do next: encoder × ingest × broadcast, as one table.

Pure: rows, calls and clocks are elsewhere. YouTube's reads lag behind its writes by many seconds,
so a lifecycle only ever moves forwards here, and absence is believed after two reads.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta


class Encoder(enum.StrEnum):
    """Our side, by what the ingest acknowledged."""

    OFF = "off"
    STARTING = "starting"
    SENDING = "sending"
    TROUBLED = "troubled"
    """Slow, or connecting again."""
    REFUSED = "refused"
    """The ingest does not take the key."""


class Ingest(enum.StrEnum):
    """`streamStatus` of the liveStream."""

    UNKNOWN = ""
    CREATED = "created"
    READY = "ready"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ERROR = "error"


class Lifecycle(enum.StrEnum):
    """`lifeCycleStatus`, in its order; a broadcast never goes back."""

    NONE = ""
    """Not made yet, as far as we know."""
    CREATED = "created"
    READY = "ready"
    TEST_STARTING = "testStarting"
    TESTING = "testing"
    LIVE_STARTING = "liveStarting"
    LIVE = "live"
    COMPLETE = "complete"
    REVOKED = "revoked"
    MISSING = "missing"
    """It was deleted."""

    @property
    def is_over(self) -> bool:
        """Whether nothing can follow."""
        return self in (Lifecycle.COMPLETE, Lifecycle.REVOKED, Lifecycle.MISSING)

    @property
    def has_begun(self) -> bool:
        """Whether how it starts cannot be changed any more."""
        return self not in (Lifecycle.NONE, Lifecycle.CREATED, Lifecycle.READY)


_ORDER = list(Lifecycle)


def later(known: Lifecycle, read: Lifecycle) -> Lifecycle:
    """The further of both: a read that is behind what we know is old."""
    return max(known, read, key=_ORDER.index)


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What the owner of a subject says about it."""

    is_wanted: bool
    encoder: Encoder
    since: datetime | None = None
    """When it began to be so."""
    item: str = ""
    """Title of what is on now."""
    sends_to: frozenset[str] = frozenset()
    """Ids of the ingest keys that are acknowledged."""
    title: str = ""


@dataclass(frozen=True, slots=True)
class WasOn:
    """What was on at some moment."""

    title: str
    asset_id: str = ""
    """Of the library; empty when it is not there any more."""


class Repair(enum.StrEnum):
    """The level at which a difference is mended."""

    NONE = "none"
    WAIT = "wait"
    READ_KEY = "read_key"
    """Compare the key that we send to with the one that YouTube has."""
    GO_LIVE = "go_live"
    REPLACE = "replace"
    """By the show's policy: a new broadcast, or stop."""
    STOP = "stop"
    """A person has to look; nothing is tried again."""
    END = "end"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is on air, what is done about it, and one sentence for people."""

    on_air: str
    """unknown, live, ended or blocked."""
    repair: Repair
    said: str


_ANY = "*"

TABLE: tuple[tuple[str, str, str, Judgement], ...] = (
    # encoder, ingest, broadcast → what it is; the first row that fits counts
    ("off", _ANY, "live testing liveStarting testStarting",
     Judgement("live", Repair.END, "The broadcast is being ended.")),
    ("off", _ANY, "revoked",
     Judgement("blocked", Repair.NONE, "YouTube has removed the broadcast.")),
    ("off", _ANY, "complete missing",
     Judgement("ended", Repair.NONE, "The broadcast has ended.")),
    ("off", _ANY, _ANY,
     Judgement("unknown", Repair.NONE, "Nothing is sent.")),
    (_ANY, _ANY, "revoked",
     Judgement("blocked", Repair.STOP,
               "YouTube has removed the broadcast. Look in YouTube Studio why.")),
    (_ANY, _ANY, "complete",
     Judgement("ended", Repair.REPLACE,
               "YouTube has ended the broadcast while we were sending.")),
    (_ANY, _ANY, "missing",
     Judgement("ended", Repair.REPLACE,
               "The broadcast was deleted while we were sending.")),
    ("sending", "active unknown", "live",
     Judgement("live", Repair.NONE, "Viewers see it.")),
    ("sending", _ANY, "live",
     Judgement("live", Repair.READ_KEY,
               "The broadcast is live, but nothing of ours arrives in it.")),
    ("refused", _ANY, "live",
     Judgement("live", Repair.READ_KEY,
               "The broadcast is live, but YouTube refuses the stream key.")),
    (_ANY, _ANY, "live",
     Judgement("live", Repair.WAIT,
               "The broadcast is live; we are connecting to it again.")),
    (_ANY, _ANY, "liveStarting testStarting",
     Judgement("unknown", Repair.WAIT, "YouTube is starting the broadcast.")),
    ("refused", _ANY, _ANY,
     Judgement("unknown", Repair.READ_KEY, "YouTube refuses the stream key.")),
    (_ANY, "active", "ready testing created",
     Judgement("unknown", Repair.GO_LIVE, "The broadcast is about to go live.")),
    (_ANY, _ANY, "ready testing created",
     Judgement("unknown", Repair.WAIT,
               "The broadcast is ready and waits for our picture.")),
    (_ANY, _ANY, _ANY,
     Judgement("unknown", Repair.GO_LIVE, "The broadcast is being set up.")),
)  # fmt: skip


def judge(encoder: Encoder, ingest: Ingest, lifecycle: Lifecycle) -> Judgement:
    """What the three say together."""
    facts = (encoder.value, ingest.value or "unknown", lifecycle.value or "none")
    for *rules, judgement in TABLE:
        if all(
            rule == _ANY or fact in rule.split() for rule, fact in zip(rules, facts, strict=True)
        ):
            return judgement
    raise AssertionError("The last row fits everything.")


# -- one broadcast on its way -------------------------------------------------------------------


SHORTEST = timedelta(milliseconds=200)
"""Nothing is looked at more often, however fast a simulation runs."""
REAL = timedelta(seconds=3)
"""What following on takes in calls, wake-ups and connections, which no simulation can hurry."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long things take at YouTube; all in one place, so that a simulation can hurry."""

    poll: timedelta = timedelta(seconds=4)
    """Between two reads while something is on its way."""
    lag: timedelta = timedelta(seconds=20)
    """A read may be that old."""
    agree: timedelta = timedelta(seconds=10)
    """Between two reads that have to agree."""
    stuck: timedelta = timedelta(minutes=3)
    """In a starting state; then another broadcast is tried."""
    sweep: timedelta = timedelta(minutes=1)
    old: timedelta = timedelta(minutes=3)
    """What was seen before that is told with its age: three sweeps have not seen it since."""
    health: timedelta = timedelta(hours=2)
    doubt: timedelta = timedelta(minutes=5)
    """Between two looks at the health of what is in trouble."""
    rotate: timedelta = timedelta(hours=11)
    """From here on a join of items is waited for."""
    rotate_latest: timedelta = timedelta(hours=11, minutes=20)
    prepare: timedelta = timedelta(minutes=10)
    """Ahead of the rotation the next broadcast is made."""
    budget: timedelta = timedelta(hours=24)
    retry_most: timedelta = timedelta(minutes=1)
    patience: timedelta = timedelta(minutes=15)
    """The longest between two looks at what does not come."""
    slowly: timedelta = timedelta(minutes=2)
    park: timedelta = timedelta(hours=1)

    def scaled(self, factor: int) -> Waits:
        """The same, `factor` times as fast; calls and pictures take real time all the same.

        So what has to be over by YouTube's own limit, which is `factor` times as near, begins
        earlier by what takes real time: at 1,200 times there are two seconds between the latest
        rotation and the loss of an archive, instead of forty minutes.
        """
        if factor == 1:
            return self
        hurried = {name: getattr(self, name) / factor for name in self.__dataclass_fields__}
        hurried["rotate"] -= REAL
        hurried["rotate_latest"] -= REAL
        hurried["prepare"] += REAL
        return Waits(**{name: max(wait, SHORTEST) for name, wait in hurried.items()})

    def patient(self, waited: timedelta, least: timedelta) -> timedelta:
        """How long until the next try at what was waited for in vain for `waited`.

        `least` for as long as things take, and then ever longer: each try costs units, and what
        does not come would use up the day's within the hour.
        """
        if waited <= self.stuck:
            return least
        return max(least, min(waited / 4, self.patience))


class Step(enum.StrEnum):
    """What to do about one broadcast now."""

    INSERT = "insert"
    BIND = "bind"
    SETTLE = "settle"
    """Its settings are somebody else's: nothing but us shall start and end it."""
    TEST = "testing"
    GO_LIVE = "live"
    COMPLETE = "complete"
    DELETE = "delete"
    LEAVE = "leave"
    """It was there before us and has not begun: it is left as it is."""
    RESOLVE = "resolve"
    """An answer was lost: read whether it was carried out."""
    WAIT = "wait"
    """Read again after a while."""
    REST = "rest"
    """It is as it is wished."""
    OVER = "over"
    """It has ended, wished or not."""
    GIVE_UP = "give_up"
    """It is stuck: end it, and make another."""


@dataclass(frozen=True, slots=True)
class BroadcastFacts:
    """What decides the next step of one broadcast."""

    is_wanted: bool
    lifecycle: Lifecycle
    is_bound: bool = False
    has_monitor: bool = False
    is_in_doubt: bool = False
    """A call was begun whose answer we do not have."""
    is_due: bool = True
    """It is time for it to go live."""
    ingest: Ingest = Ingest.UNKNOWN
    for_so_long: timedelta = timedelta()
    """In its present lifecycle."""
    is_adopted: bool = False
    """Somebody else made it."""
    is_unsettled: bool = False
    """Its settings are still those of whoever made it."""


def next_step(facts: BroadcastFacts, waits: Waits) -> Step:
    """The one thing to do now; every combination has one."""
    at = facts.lifecycle
    if at.is_over:
        return Step.OVER
    if facts.is_in_doubt:
        return Step.RESOLVE
    if not facts.is_wanted:
        if at is Lifecycle.NONE:
            return Step.OVER
        if at in (Lifecycle.CREATED, Lifecycle.READY):
            return Step.LEAVE if facts.is_adopted else Step.DELETE
        is_stuck = facts.for_so_long > 2 * waits.stuck
        return Step.COMPLETE if at in (Lifecycle.TESTING, Lifecycle.LIVE) or is_stuck else Step.WAIT
    if at is Lifecycle.NONE:
        return Step.INSERT
    if facts.is_unsettled and at not in (Lifecycle.TEST_STARTING, Lifecycle.LIVE_STARTING):
        return Step.SETTLE
    if at is Lifecycle.LIVE:
        return Step.REST
    if at in (Lifecycle.TEST_STARTING, Lifecycle.LIVE_STARTING):
        return Step.GIVE_UP if facts.for_so_long > waits.stuck else Step.WAIT
    if not facts.is_bound:
        return Step.BIND
    if not facts.is_due or facts.ingest is not Ingest.ACTIVE:
        return Step.WAIT
    return Step.TEST if facts.has_monitor and at is not Lifecycle.TESTING else Step.GO_LIVE


class Remedy(enum.StrEnum):
    """What the next broadcast is given after others hung while starting."""

    SAME_KEY = "same_key"
    """Another broadcast on the same key may do."""
    OTHER_KEY = "other_key"
    """A key, and so a connection, of its own: the one that is open is never broken for it."""
    PERSON = "person"
    """Somebody is told; it is tried again now and then."""


def remedy(hung: int) -> Remedy:
    """What to try after `hung` broadcasts in a row never got live."""
    return [Remedy.SAME_KEY, Remedy.SAME_KEY, Remedy.OTHER_KEY][hung] if hung < 3 else Remedy.PERSON


OLDEST_UNSAID = timedelta(seconds=15)
"""Workers take real time to come round, however fast a simulation runs."""


def is_old(*, seen_at: datetime | None, now: datetime, waits: Waits) -> bool:
    """Whether what was seen at `seen_at` may be otherwise by now, so that its age is told."""
    return seen_at is None or now - seen_at > max(waits.old, OLDEST_UNSAID)


def is_absent(
    *, doubted_at: datetime | None, sent_at: datetime | None, now: datetime, waits: Waits
) -> bool | None:
    """Whether a read at `now` that does not show something may be believed.

    None when it is too early even to count it: what was sent a moment ago may not show yet.
    False when it counts as the first of two; True when an earlier one agrees.
    """
    if sent_at is not None and now - sent_at < waits.lag:
        return None
    return doubted_at is not None and now - doubted_at >= waits.agree
