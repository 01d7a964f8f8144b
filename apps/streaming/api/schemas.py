"""What is asked and told about streams and playlists."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from apps.core.rest import Asked, Flag, Line, Name, Page, Told, Whole
from apps.streaming import models, status

Desired = Literal["off", "on"]
StartPolicy = Literal["top", "clock", "resume"]
TitleCards = Literal["off", "band", "corner", "top"]
Leg = Literal["primary", "backup"]
Service = Literal["youtube", "youtube-backup", "simulator", "other"]

Title = Annotated[Name, Field(min_length=1, max_length=120, examples=["Night radio"])]
Profile = Annotated[
    Line, Field(max_length=64, description="Id of a house format.", examples=["1080p30-economy@1"])
]
Key = Annotated[
    str,
    Field(
        max_length=500,
        description="The stream key. Written and replaced, never read.",
        examples=["abcd-efgh-ijkl-mnop-qrst"],
        json_schema_extra={"writeOnly": True, "format": "password"},
    ),
]


class DestinationWish(Asked):
    """Where a stream shall go."""

    service: Service = Field(description="`other` needs an `address`.")
    address: Annotated[Line, Field(max_length=500)] = Field(
        "", description="Only for `other`: the address without the key."
    )
    key: Key = Field("", description="May be left out to keep the key for the same server.")


class ReceiverNew(DestinationWish):
    """One more place for a stream to go to."""

    name: Annotated[Line, Field(max_length=120)] = Field(
        "", description="The service's or server's name when left out."
    )
    leg: Leg | None = Field(None, description="Only for `other`: which entry of it this is.")


class ReceiverChange(Asked):
    """What shall change; what is left out stays. On air only the name may."""

    name: Annotated[Line, Field(max_length=120)] | None = None
    service: Service | None = None
    address: Annotated[Line, Field(max_length=500)] | None = None
    key: Key | None = None
    leg: Leg | None = None


class StreamNew(Asked):
    """A stream to be made."""

    title: Title
    playlist_id: UUID | None = Field(None, description="Can be chosen later.")
    profile: Profile | None = Field(None, description="The installation's default when left out.")
    loop: Flag = Field(True, description="Begin again after the last item.")
    start_policy: StartPolicy = "top"
    shuffle: Flag = Field(False, description="Each round has an order of its own.")
    music_id: UUID | None = Field(
        None, description="Radio mode: this playlist makes the sound, the other one the pictures."
    )
    shuffle_music: Flag = False
    title_cards: TitleCards = Field(
        "off", description="Radio mode: how the title of each song is shown in the picture."
    )
    filler_id: UUID | None = Field(
        None, description="Playlist that is shown for what cannot be played, and during a pause."
    )
    destination: DestinationWish | None = Field(
        None, description="Can be added later; a YouTube channel needs none."
    )


class StreamChange(Asked):
    """What shall change; what is left out stays."""

    title: Title | None = None
    playlist_id: UUID | None = None
    profile: Profile | None = None
    loop: Flag | None = None
    start_policy: StartPolicy | None = None
    shuffle: Flag | None = None
    music_id: UUID | None = None
    shuffle_music: Flag | None = None
    title_cards: TitleCards | None = None
    filler_id: UUID | None = None
    destination: DestinationWish | None = None


class DestinationTold(Told):
    """Where a stream goes."""

    id: UUID
    name: str
    address: str = Field(description="Without the key.")
    key_hint: str = Field(description="The last characters of a long key.")


class StreamTold(Told):
    """A stream as its owner wishes it."""

    id: UUID
    title: str
    playlist_id: UUID | None
    profile: str
    loop: bool
    start_policy: StartPolicy
    shuffle: bool
    music_id: UUID | None
    shuffle_music: bool
    title_cards: TitleCards
    filler_id: UUID | None
    is_paused: bool = Field(description="Whether the filler is shown until somebody resumes.")
    desired: Desired = Field(description="What is wished; `/status` says what is real.")
    destination: DestinationTold | None = Field(
        description="The first one; `/streams/{stream_id}/destinations` lists all."
    )
    started_at: datetime | None
    stopped_at: datetime | None
    created_at: datetime
    updated_at: datetime


class StatusTold(Told):
    """What is real, in one word and one sentence."""

    state: Literal[
        "failed", "restarting", "reconnecting", "partly", "degraded", "stopping",
        "preparing", "starting", "connecting", "on_air", "off",
    ]  # fmt: skip
    is_on_air: bool = Field(description="Whether a receiver takes our picture right now.")
    label: str
    sentence: str
    on_air_since: datetime | None
    kbps: int
    retry_at: datetime | None


class StreamRow(StreamTold):
    """A stream in a list, with how it is."""

    status: StatusTold


class StreamPage(Page[StreamRow]):
    """Some streams."""


class OutputTold(Told):
    """What a node reports of one connection to an ingest."""

    id: UUID
    destination_id: UUID
    leg: Leg
    desired: Desired
    state: Literal[
        "idle", "preparing", "connecting", "on_air", "degraded",
        "reconnecting", "stopping", "failed",
    ]  # fmt: skip
    reported_at: datetime | None = Field(description="An old report says nothing about now.")
    connected_at: datetime | None
    on_air_since: datetime | None
    bytes_sent: int
    bytes_acknowledged: int
    kbps: int
    late_ms: float
    reconnects: int
    error_code: str = Field(description="See the reference of errors; empty when all is well.")
    error_text: str
    retry_at: datetime | None


class PlayingTold(Told):
    """What is on air and what follows."""

    item_id: str
    title: str
    position_ms: int
    length_ms: int
    next_item_id: str
    next_title: str


Part = Annotated[
    Literal["pictures", "sound"],
    Field(description="`sound` only in radio mode, where the music has a programme of its own."),
]
At = Annotated[
    Literal["item", "key"],
    Field(description="Where the item ends, or at the next key frame, every 2 s."),
]


class Skip(Asked):
    """What to skip."""

    part: Part = "pictures"


class Jump(Asked):
    """Where to go on."""

    item_id: UUID = Field(description="An item of the playlist that is on air.")
    part: Part = "pictures"
    at: At = "key"


class PlayNext(Asked):
    """What to play once."""

    asset_id: UUID
    part: Part = "pictures"


class Swap(Asked):
    """Which playlist takes over."""

    playlist_id: UUID
    part: Part = "pictures"
    at: At = "item"


class Undo(Asked):
    """What to take back."""

    version: Annotated[Whole, Field(ge=1, le=2_000_000_000)] = Field(
        description="As the edit told it."
    )


class EditTold(Told):
    """An edit that was written down, and takes effect by itself."""

    version: int = Field(description="By which it can be undone.")
    part: Part
    effective_at: datetime = Field(
        description="At least 3 s ahead, or sooner where what was asked for begins by itself."
    )
    title: str = Field(description="What is on then.")


class PlayTold(Told):
    """An item that the clock brings."""

    item_id: str
    title: str
    at: datetime
    length_ms: int
    is_cut: bool = Field(description="Something else takes over before it ends.")


class ComingTold(Told):
    """What is on and what comes, as far as it is decided."""

    pictures: list[PlayTold]
    sound: list[PlayTold] = Field(description="Empty unless in radio mode.")


class LiveTold(StatusTold):
    """All that is real of one stream."""

    outputs: list[OutputTold]
    now: PlayingTold | None
    song: PlayingTold | None = Field(description="In radio mode, what is heard.")


class ReceiverTold(Told):
    """A destination of a stream."""

    id: UUID
    name: str
    address: str = Field(description="Without the key.")
    key_hint: str = Field(description="The last characters of a long key.")
    leg: Leg


class ReceiverRow(ReceiverTold):
    """A destination of a stream, and how the stream is there."""

    status: StatusTold


class ReceiverList(Told):
    """All destinations of a stream, first one first."""

    items: list[ReceiverRow]


class EventTold(Told):
    """Something that happened to a stream."""

    id: int
    at: datetime
    code: str = Field(examples=["stream.start_requested"])
    text: str
    by: UUID | None = Field(description="The member who did it; null for the system.")


class EventPage(Page[EventTold]):
    """Some events, latest first."""


class DestinationPage(Page[DestinationTold]):
    """Some destinations."""


class ProfileTold(Told):
    """A house format."""

    id: str
    label: str


class ProfileList(Told):
    """All house formats."""

    items: list[ProfileTold]


class PlaylistWish(Asked):
    """A playlist's name."""

    name: Title


class PlaylistTold(Told):
    """A playlist without its items."""

    id: UUID
    name: str
    item_count: int
    duration_ms: int
    created_at: datetime
    updated_at: datetime = Field(description="Also of the last change of its items.")


class PlaylistPage(Page[PlaylistTold]):
    """Some playlists."""


class ItemsNew(Asked):
    """Files to be put into a playlist."""

    asset_ids: list[UUID] = Field(min_length=1, max_length=100)
    position: Annotated[Whole, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="0 is the first place; at the end when left out."
    )


class ItemChange(Asked):
    """What shall change of an item."""

    weight: Annotated[Whole, Field(ge=1, le=20)] = Field(
        description="Plays in each round of a shuffled programme."
    )


class ItemMove(Asked):
    """By how many places."""

    by: Whole = Field(ge=-1_000_000, le=1_000_000, description="Up is negative.", examples=[-1])


class Order(Asked):
    """Items in their new order."""

    item_ids: list[UUID] = Field(
        max_length=5000, description="Unknown ids are ignored; items not named follow."
    )


class ItemTold(Told):
    """An entry of a playlist."""

    id: UUID
    asset_id: UUID
    title: str
    duration_ms: int | None
    weight: int = Field(description="Plays in each round of a shuffled programme.")
    asset_state: Literal["uploading", "checking", "ready", "failed"]


class ItemPage(Page[ItemTold]):
    """Some items, first one first."""


class ItemList(Told):
    """Items that were added."""

    items: list[ItemTold]


def destination_told(row: models.Destination) -> DestinationTold:
    """A destination, without its key."""
    return DestinationTold(id=row.pk, name=row.name, address=row.address, key_hint=row.key_hint)


def receiver_told(row: models.Output) -> ReceiverTold:
    """An output with its destination, without the key."""
    return ReceiverTold.model_validate(_receiver(row))


def receiver_row(row: models.Output, now: status.Status) -> ReceiverRow:
    """The same beside how it is."""
    return ReceiverRow.model_validate(_receiver(row) | {"status": status_told(now)})


def stream_told(row: models.Stream) -> StreamTold:
    """A stream; reads its outputs."""
    return StreamTold.model_validate(_wish(row))


def status_told(now: status.Status) -> StatusTold:
    """A status."""
    return StatusTold.model_validate(_status(now))


def stream_row(row: models.Stream, now: status.Status) -> StreamRow:
    """A stream beside how it is."""
    return StreamRow.model_validate(_wish(row) | {"status": status_told(now)})


def live_told(
    now: status.Status,
    outputs: list[models.Output],
    playing: PlayingTold | None,
    song: PlayingTold | None,
) -> LiveTold:
    """How a stream is, output by output."""
    return LiveTold.model_validate(
        _status(now) | {"outputs": [_output(row) for row in outputs], "now": playing, "song": song}
    )


def playlist_told(row: models.Playlist) -> PlaylistTold:
    """A playlist that carries its sums."""
    return PlaylistTold(
        id=row.pk,
        name=row.name,
        item_count=row.item_count,  # type: ignore[attr-defined]
        duration_ms=row.duration_ms,  # type: ignore[attr-defined]
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def item_told(row: models.PlaylistItem) -> ItemTold:
    """An item; reads its asset."""
    return ItemTold.model_validate(
        {
            "id": row.pk,
            "asset_id": row.asset_id,
            "title": row.asset.title,
            "duration_ms": row.asset.duration_ms,
            "weight": row.weight,
            "asset_state": row.asset.state,
        }
    )


def event_told(row: models.Event) -> EventTold:
    """An event."""
    return EventTold(id=row.pk, at=row.at, code=row.code, text=row.text, by=row.by_id)


def _wish(row: models.Stream) -> dict[str, object]:
    outputs = list(row.outputs.all())
    return {
        "id": row.pk,
        "title": row.title,
        "playlist_id": row.playlist_id,
        "profile": row.profile,
        "loop": row.loop,
        "start_policy": row.start_policy,
        "shuffle": row.shuffle,
        "music_id": row.music_id,
        "shuffle_music": row.shuffle_music,
        "title_cards": row.title_cards or "off",
        "filler_id": row.filler_id,
        "is_paused": row.paused_from is not None,
        "desired": row.desired,
        "destination": destination_told(outputs[0].destination) if outputs else None,
        "started_at": row.started_at,
        "stopped_at": row.stopped_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _receiver(row: models.Output) -> dict[str, object]:
    return {
        "id": row.pk,
        "name": row.destination.name,
        "address": row.destination.address,
        "key_hint": row.destination.key_hint,
        "leg": row.leg,
    }


def _status(now: status.Status) -> dict[str, object]:
    return {
        "state": now.shown.value,
        "is_on_air": now.is_on_air,
        "label": now.label,
        "sentence": now.sentence,
        "on_air_since": now.on_air_since,
        "kbps": now.kbps,
        "retry_at": now.retry_at,
    }


def _output(row: models.Output) -> OutputTold:
    return OutputTold.model_validate(
        {
            "id": row.pk,
            "destination_id": row.destination_id,
            "leg": row.leg,
            "desired": row.desired,
            "state": row.state,
            "reported_at": row.reported_at,
            "connected_at": row.connected_at,
            "on_air_since": row.on_air_since,
            "bytes_sent": row.bytes_sent,
            "bytes_acknowledged": row.bytes_acked,
            "kbps": row.kbps,
            "late_ms": row.late_ms,
            "reconnects": row.reconnects,
            "error_code": row.error_code,
            "error_text": row.error_text,
            "retry_at": row.retry_at,
        }
    )
