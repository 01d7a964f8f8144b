"""A stream on YouTube: described, put live, rehearsed, ended, and told as it really is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from django.http import HttpRequest
from ninja.responses import Status
from pydantic import Field

from apps.accounts.api.door import Endpoints, caller
from apps.accounts.models import Role, Scope
from apps.core.problems import INVALID, NOT_FOUND, Fault, Kind, Problem
from apps.core.rest import Asked, Flag, Line, Told, faults_of
from apps.streaming import stream_manager
from apps.streaming.access import get_stream_for
from apps.streaming.models import Stream
from apps.youtube import health, selectors
from apps.youtube.forms import ShowForm
from apps.youtube.models import Show
from apps.youtube.services import shows

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


class LiveWish(Asked):
    """How to go live."""

    rehearsal: Flag = Field(False, description="Unlisted, whatever the description says.")


class IssueTold(Told):
    """Something that YouTube does not like about the picture."""

    type: str
    severity: str
    cause: str
    fix: str
    item: str = Field(description="What was on air when it was seen.")


class ShowTold(Told):
    """A stream on YouTube."""

    channel_id: UUID
    is_wanted: bool
    is_rehearsal: bool
    on_air: Literal["unknown", "live", "ended", "blocked"]
    said: str = Field(description="One sentence about it.")
    watch_url: str = Field(description="Where viewers see it; empty before there is one.")
    viewers: int | None
    live_since: datetime | None
    title: str
    privacy: Literal["public", "unlisted", "private"]
    policy: Literal["forever", "archives"]
    on_end: Literal["replace", "stop"]
    issues: list[IssueTold]


@endpoints.read("/streams/{uuid:stream_id}/youtube", response=ShowTold)
def get_show(request: HttpRequest, stream_id: UUID) -> ShowTold:
    """Read how a stream is on YouTube.

    404 as well for a stream that was never described for a channel.
    """
    return _told(_found(get_stream_for(caller(request), stream_id)))


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
    shows.go_live(show=show, is_rehearsal=body.rehearsal)
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
        watch_url=broadcast.watch_url if broadcast is not None and is_shown else "",
        viewers=show.viewers,
        live_since=broadcast.live_at if broadcast is not None and is_shown else None,
        title=show.title,
        privacy=cast(Any, show.privacy),
        policy=cast(Any, show.policy),
        on_end=cast(Any, show.on_end),
        issues=[
            IssueTold(
                type=one.type, severity=one.severity, cause=one.cause, fix=one.fix, item=one.item
            )
            for one in health.explained(show.health_issues)
        ],
    )
