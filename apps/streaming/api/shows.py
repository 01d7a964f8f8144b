"""A stream on YouTube: described, put live, rehearsed, ended, and told as it really is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from django.http import HttpRequest
from ninja import File, Query
from ninja.files import UploadedFile
from ninja.responses import Status
from pydantic import Field

from apps.accounts.api.door import Endpoints, caller
from apps.accounts.models import Role, Scope
from apps.core.problems import INVALID, NOT_FOUND, Fault, Kind, Problem
from apps.core.rest import Asked, Flag, Line, Told, faults_of
from apps.streaming import selectors as selectors_here
from apps.streaming import stream_manager
from apps.streaming.access import get_stream_for
from apps.streaming.models import Stream
from apps.youtube import health, selectors
from apps.youtube.api.channels import RECONNECT, SILENT
from apps.youtube.client import Retry, YouTubeError
from apps.youtube.forms import LiveTextsForm, ShowForm
from apps.youtube.models import Change, Show
from apps.youtube.pictures import MAX_BYTES, PictureRefused, drawn_anew
from apps.youtube.services import adopting, shows
from apps.youtube.services.adopting import AdoptRefused

endpoints = Endpoints(tags=["streams"])

NOT_READY = Kind(
    "show.not_ready",
    409,
    "The stream cannot go live on YouTube as it is.",
    "`errors` says what is missing: a channel that is connected, or something to play.",
)


class ShowWish(Asked):
    """How a stream is described on YouTube, and how it is kept there."""

    channel_id: UUID
    title: Annotated[Line, Field(min_length=1, max_length=100)] = Field(
        "{stream}", description="`{stream}`, `{channel}` and `{date}` stand for what they name."
    )
    description: Annotated[str, Field(max_length=4500)] = ""
    tags: Annotated[Line, Field(max_length=400)] = Field("", description="Separated by commas.")
    category_id: Annotated[Line, Field(max_length=4)] = "24"
    privacy: Literal["public", "unlisted", "private"] = "public"
    policy: Literal["forever", "archives"] = Field(
        "forever", description="`archives` begins a new broadcast before each 11 h 30 min."
    )
    on_end: Literal["replace", "stop"] = Field(
        "replace", description="When YouTube ends it; at most 3 new ones in 24 hours."
    )
    latency: Literal["normal", "low", "ultraLow"] = "normal"
    dvr: Flag = True
    made_for_kids: Flag = False
    after_title: Annotated[Line, Field(max_length=100)] = Field(
        "",
        description="Of the archive: `{title}`, `{date}`, `{stream}` and `{channel}` are filled.",
    )
    after_privacy: Literal["", "public", "unlisted", "private"] = Field(
        "", description="Of the archive; empty to leave it as it was."
    )
    after_playlist: Annotated[Line, Field(max_length=200)] = Field(
        "", description="Address or id of the channel's playlist that archives are put into."
    )


CANNOT_ADOPT = Kind(
    "show.cannot_adopt",
    409,
    "The broadcast cannot be taken over.",
    "`detail` says why: it is not there, it is over, or another one is live.",
)


NOTHING_THERE = Kind(
    "show.nothing_there",
    409,
    "Nothing of the stream is on YouTube now.",
    "Go live first. What is asked for by `PUT` holds for the next broadcast.",
)


PICTURE_WRONG = Kind(
    "show.picture_wrong",
    422,
    "The picture cannot be used.",
    "`detail` says why. Send a JPEG or PNG of 1280 × 720 pixels and at most 2 MB.",
)


class TextsWish(Asked):
    """What viewers shall read; only what shall change."""

    title: Annotated[Line, Field(min_length=1, max_length=100)] | None = None
    description: Annotated[str, Field(max_length=4500)] | None = None
    tags: Annotated[Line, Field(max_length=400)] | None = Field(
        None, description="Separated by commas."
    )
    category_id: Annotated[Line, Field(max_length=4)] | None = None
    privacy: Literal["public", "unlisted", "private"] | None = None


class AdoptWish(Asked):
    """Which broadcast to go live in."""

    broadcast_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["a1B2c3D4e5F"])]
    at_its_time: Flag = Field(
        False, description="Not before it is scheduled; for one that has not begun."
    )


class LiveWish(Asked):
    """How to go live."""

    rehearsal: Flag = Field(False, description="Unlisted, whatever the description says.")


class IssueTold(Told):
    """Something that YouTube does not like about the picture."""

    type: str
    severity: str
    cause: str
    fix: str
    item: str = Field(description="What was on air when it was first seen.")
    asset_id: str = Field(description="Of that in the library; empty when it is not there.")
    since: datetime | None


class ItemViewersTold(Told):
    """Who watched while one item was on."""

    title: str
    started_at: datetime
    ended_at: datetime | None = Field(description="Null while it is on.")
    average: int
    peak: int


class ViewersTold(Told):
    """Who watches on YouTube."""

    now: int | None
    average_of_day: int | None = Field(description="Of the last 24 hours.")
    peak_of_day: int | None
    items: list[ItemViewersTold] = Field(description="Of the last items, newest first.")


class ChangeTold(Told):
    """Other texts that somebody asked for while it was there."""

    state: Literal["pending", "applied", "refused"]
    said: str = Field(description="Why it waits, or what was refused.")
    asked_at: datetime
    decided_at: datetime | None


class ShowTold(Told):
    """A stream on YouTube."""

    channel_id: UUID
    is_wanted: bool
    is_rehearsal: bool
    on_air: Literal["unknown", "live", "ended", "blocked"]
    said: str = Field(description="One sentence about it.")
    seen_at: datetime | None = Field(description="When YouTube last said that it is live.")
    is_old: bool = Field(
        description="It could not be read anew for minutes: what is told here was so at `seen_at`."
    )
    doubt: Literal["", "silent", "quota", "access"] = Field(
        description="Why not: no answer, no units left, or the channel has to be connected again."
    )
    watch_url: str = Field(description="Where viewers see it; empty before there is one.")
    viewers: int | None
    live_since: datetime | None
    title: str
    privacy: Literal["public", "unlisted", "private"]
    policy: Literal["forever", "archives"]
    on_end: Literal["replace", "stop"]
    has_thumbnail: bool = Field(description="Whether there is a picture for its broadcasts.")
    after_title: str = Field(description="Of the archive; empty to leave it.")
    after_privacy: Literal["", "public", "unlisted", "private"]
    after_playlist: str = Field(description="Id of the playlist that archives are put into.")
    change: ChangeTold | None
    archive: ChangeTold | None = Field(description="What was done with its last archive.")
    issues: list[IssueTold]


@endpoints.read("/streams/{uuid:stream_id}/youtube", response=ShowTold)
def get_show(request: HttpRequest, stream_id: UUID) -> ShowTold:
    """Read how a stream is on YouTube.

    404 as well for a stream that was never described for a channel.
    """
    return _told(_found(get_stream_for(caller(request), stream_id)))


@endpoints.read("/streams/{uuid:stream_id}/youtube/viewers", response=ViewersTold)
def get_viewers(request: HttpRequest, stream_id: UUID) -> ViewersTold:
    """Read how many watch, in all and while each of the last items was on.

    YouTube tells a number a minute; the figures are of those.
    """
    stream = get_stream_for(caller(request), stream_id)
    show = _found(stream)
    receivers = selectors_here.live(stream).receivers
    rows = selectors_here.with_audience(stream, selectors_here.aired(receivers))
    day = selectors.audience_of_day(show)
    return ViewersTold(
        now=show.viewers if show.is_wanted else None,
        average_of_day=day.average if day else None,
        peak_of_day=day.peak if day else None,
        items=[
            ItemViewersTold(
                title=each.row.title,
                started_at=each.row.started_at,
                ended_at=each.row.ended_at,
                average=each.audience.average,
                peak=each.audience.peak,
            )
            for each in rows
            if each.audience is not None
        ],
    )


@endpoints.change("PUT", "/streams/{uuid:stream_id}/youtube", Scope.STREAMS, response=ShowTold)
def describe_show(request: HttpRequest, stream_id: UUID, body: ShowWish) -> ShowTold:
    """Describe a stream for a channel.

    It is not live by this; the texts are those of the next broadcast.
    """
    stream = get_stream_for(caller(request), stream_id, Role.EDITOR)
    data = body.model_dump(exclude={"channel_id"}) | {"channel": str(body.channel_id)}
    form = ShowForm(data, workspace=stream.workspace, show=selectors.show_of(stream.pk))
    if not form.is_valid():
        pointers = {name: f"/{name}" for name in form.fields} | {"channel": "/channel_id"}
        raise Problem(INVALID, faults=faults_of(form.errors, pointers))
    shows.describe(workspace=stream.workspace, subject=stream.pk, name=stream.title, **form.wishes)
    return _told(_found(stream))


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/youtube/live",
    Scope.STREAMS,
    response={202: ShowTold},
    refusals=[NOT_READY],
)
def go_live(request: HttpRequest, stream_id: UUID, body: LiveWish) -> Status[Any]:
    """Ask for a stream to be live on YouTube.

    Key and broadcast are made, and the stream is started. Answers before it is live.
    """
    stream = get_stream_for(caller(request), stream_id, Role.EDITOR)
    show = _found(stream)
    _must_be_ready(stream, show)
    shows.go_live(show=show, is_rehearsal=body.rehearsal)
    return Status(202, _told(_found(stream)))


@endpoints.change(
    "PATCH",
    "/streams/{uuid:stream_id}/youtube/texts",
    Scope.STREAMS,
    response={202: ShowTold},
    refusals=[NOTHING_THERE],
)
def change_texts(request: HttpRequest, stream_id: UUID, body: TextsWish) -> Status[Any]:
    """Change what viewers read of the broadcast that is there now.

    What is left out stays as it is at YouTube. `{item}` stands for what is on at this moment.
    Answers before YouTube is asked: `change` tells how it went. 50 units of the quota.
    """
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    show = _found(stream)
    row = selectors.changeable_broadcast(show)
    if row is None:
        raise Problem(NOTHING_THERE)
    asked = body.model_dump(exclude_none=True)
    form = LiveTextsForm(selectors.texts_of(show, row) | asked)
    if not form.is_valid():
        raise Problem(INVALID, faults=faults_of(form.errors, {name: f"/{name}" for name in asked}))
    wishes = {name: form.cleaned_data[name] for name in asked}
    shows.change(show=show, row=row, wishes=wishes, by=token.created_by)
    return Status(202, _told(_found(stream)))


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/youtube/thumbnail",
    Scope.STREAMS,
    response={202: ShowTold},
    refusals=[PICTURE_WRONG, NOTHING_THERE],
)
def change_thumbnail(
    request: HttpRequest, stream_id: UUID, file: File[UploadedFile], on_air: Query[bool] = False
) -> Status[Any]:
    """Give a stream another picture on YouTube.

    A JPEG or PNG of at most 2 MB, which we draw anew at 1280 × 720 or less. It is that of the next
    broadcasts; with `on_air` of the one that is there now as well, for 50 units of the quota:
    `change` tells how that went.
    """
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    show = _found(stream)
    row = selectors.changeable_broadcast(show) if on_air else None
    if on_air and row is None:
        raise Problem(NOTHING_THERE)
    try:
        thumbnail = drawn_anew(file.read(MAX_BYTES + 1))
    except PictureRefused as refused:
        raise Problem(PICTURE_WRONG, str(refused)) from None
    shows.picture(show=show, thumbnail=thumbnail)
    if row is not None:
        shows.change(show=show, row=row, wishes={}, thumbnail=thumbnail, by=token.created_by)
    return Status(202, _told(_found(stream)))


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/youtube/adopt",
    Scope.STREAMS,
    response={202: ShowTold},
    refusals=[NOT_READY, CANNOT_ADOPT, RECONNECT, SILENT],
)
def adopt_broadcast(request: HttpRequest, stream_id: UUID, body: AdoptWish) -> Status[Any]:
    """Go live in a broadcast that somebody else made, instead of in a new one.

    Its ids are told by `POST /channels/{id}/look`. Its automatic stop is turned off. One that is
    under way keeps its stream key, and the stream takes that key.
    """
    stream = get_stream_for(caller(request), stream_id, Role.EDITOR)
    show = _found(stream)
    _must_be_ready(stream, show)
    try:
        adopting.adopt(show=show, youtube_id=body.broadcast_id, at_its_time=body.at_its_time)
    except AdoptRefused as refused:
        raise Problem(CANNOT_ADOPT, str(refused)) from None
    except YouTubeError as error:
        raise Problem(RECONNECT if error.retry is Retry.RECONNECT else SILENT, error.text) from None
    return Status(202, _told(_found(stream)))


@endpoints.change(
    "POST", "/streams/{uuid:stream_id}/youtube/end", Scope.STREAMS, response={202: ShowTold}
)
def end_show(request: HttpRequest, stream_id: UUID) -> Status[Any]:
    """Ask for a broadcast to be ended.

    Other destinations of the stream go on. Going live again makes a new address.
    """
    stream = get_stream_for(caller(request), stream_id, Role.EDITOR)
    shows.end(show=_found(stream))
    return Status(202, _told(_found(stream)))


def _must_be_ready(stream: Stream, show: Show) -> None:
    """Raises what is missing for going live."""
    problems = [
        problem
        for check in stream_manager.checks(stream)
        if check.what not in ("destination", "key") and not stream.is_wanted
        for problem in check.problems
    ]
    if not show.channel.is_connected:
        problems.append(f"Reconnect the channel {show.channel.title}.")
    if problems:
        raise Problem(NOT_READY, faults=[Fault(problem) for problem in problems])


def _found(stream: Stream) -> Show:
    show = selectors.show_of(stream.pk)
    if show is None:
        raise Problem(NOT_FOUND)
    return show


def _told(show: Show) -> ShowTold:
    broadcast = selectors.shown_broadcast(show)
    is_shown = broadcast is not None and show.is_wanted
    return ShowTold(
        channel_id=show.channel_id,
        is_wanted=show.is_wanted,
        is_rehearsal=show.is_rehearsal,
        on_air=cast(Any, show.on_air),
        said=show.said,
        seen_at=show.seen_at,
        is_old=show.is_old,
        doubt=cast(Any, show.doubt if show.is_old else ""),
        watch_url=broadcast.watch_url if broadcast is not None and is_shown else "",
        viewers=show.viewers,
        live_since=broadcast.live_at if broadcast is not None and is_shown else None,
        title=show.title,
        privacy=cast(Any, show.privacy),
        policy=cast(Any, show.policy),
        on_end=cast(Any, show.on_end),
        has_thumbnail=bool(show.thumbnail),
        after_title=show.after_title,
        after_privacy=cast(Any, show.after_privacy),
        after_playlist=show.after_playlist,
        change=_change_told(selectors.last_change(broadcast)) if broadcast else None,
        archive=_change_told(selectors.last_archive_change(show)),
        issues=[
            IssueTold(
                type=one.type,
                severity=one.severity,
                cause=one.cause,
                fix=one.fix,
                item=one.item,
                asset_id=one.asset,
                since=one.since,
            )
            for one in health.explained(show.health_issues)
        ],
    )


def _change_told(change: Change | None) -> ChangeTold | None:
    if change is None:
        return None
    return ChangeTold(
        state=cast(Any, change.state),
        said=change.said,
        asked_at=change.created_at,
        decided_at=change.decided_at,
    )
