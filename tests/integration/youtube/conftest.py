"""The product against the simulated YouTube, with a clock that both share and tests put forward."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import time_machine
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from PIL import Image

from apps.accounts import services
from apps.accounts.models import Scope, User, Workspace
from apps.library.models import Asset, Rendition, Track
from apps.streaming import stream_manager
from apps.streaming.models import Desired, Output, State, Stream
from apps.youtube import tasks
from apps.youtube.models import Broadcast, Channel, IngestKey, Show
from apps.youtube.services import shows
from simulator import seed
from simulator.faults import Behaviour
from simulator.feed import Feed
from simulator.server import Options, Running, in_thread

PROFILE = "480p30-economy@1"
HARBOUR = f"harbour@example.org {seed.HARBOUR}"
NIGHT = f"harbour@example.org {seed.NIGHT}"
GARDEN = f"garden@example.org {seed.GARDEN}"

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_BOX = re.compile(r'name="granted" value="([^"]+)"')


@dataclass
class Stage:
    """The simulated YouTube, what we sent there, and the clock."""

    youtube: Running
    clock: time_machine.Traveller
    feeds: dict[str, Feed] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    """Outputs that stopped while their stream was wished on air."""

    # -- the other side

    @property
    def world(self) -> Any:
        """The truth over there."""
        return self.youtube.world

    def set(self, **faults: Any) -> None:
        """Turn switches of the simulator."""
        self.world.behaviour.change(faults)

    def act(self, what: str, **fields: Any) -> dict[str, Any]:
        """What YouTube, or somebody in Studio, does."""
        answer = requests.post(f"{self.youtube.url}/simulator/{what}", json=fields, timeout=60)
        assert answer.ok, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def state(self) -> dict[str, Any]:
        """Everything over there, without lag."""
        answer = requests.get(f"{self.youtube.url}/simulator/state.json", timeout=60)
        told: dict[str, Any] = answer.json()
        return told

    def broadcasts(self, *states: str) -> list[dict[str, Any]]:
        """Those that exist over there, in one of `states`."""
        found = [one for one in self.state()["broadcasts"] if not one["deleted"]]
        return [one for one in found if not states or one["state"] in states]

    def dark_s(self) -> float:
        """Seconds without a live broadcast since the first one; by YouTube's own record."""
        spans = sorted(
            (one["live_at"], one["ended_at"] or float("inf"))
            for one in self.state()["broadcasts"]
            if one["live_at"]
        )
        dark, lit_until = 0.0, spans[0][0]
        for live_at, ended_at in spans:
            dark += max(0.0, live_at - lit_until)
            lit_until = max(lit_until, ended_at)
        return dark if lit_until == float("inf") else float("inf")

    # -- connecting

    def consent(
        self,
        client: Client,
        path: str,
        *,
        who: str = HARBOUR,
        ticked: bool = True,
        decision: str = "allow",
    ) -> str:
        """Press a button that leads to the consent screen, answer there; where it sends one."""
        left = client.post(path)
        assert left.status_code == 302, left.content
        page = requests.get(left["Location"], timeout=60)
        assert page.ok, page.text
        form = [(name, value.replace("&amp;", "&")) for name, value in _HIDDEN.findall(page.text)]
        granted = [("granted", scope) for scope in _BOX.findall(page.text)] if ticked else []
        answer = requests.post(
            f"{self.youtube.url}/o/oauth2/v2/auth",
            data=[*form, *granted, ("who", who), ("decision", decision)],
            allow_redirects=False,
            timeout=60,
        )
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["Location"])
        return f"{back.path}?{back.query}"

    def connect(self, client: Client, *, who: str = HARBOUR) -> Channel:
        """Connect a channel, as a person does."""
        client.get(self.consent(client, "/channels/connect/", who=who))
        return Channel.objects.get(youtube_id=who.split()[1])

    # -- our side

    def node(self) -> None:
        """What nodes would do by now: send to the keys that are wished, and report."""
        now = timezone.now()
        keys = {key.pk: key for key in IngestKey.objects.exclude(youtube_id="")}
        wanted: dict[str, Output] = {}
        for output in Output.objects.select_related("destination"):
            key = keys.get(output.destination.ingest_key) if output.destination.ingest_key else None
            if key is None:
                continue
            if output.desired == Desired.ON and not output.removed_at:
                wanted[key.youtube_id] = output
        for stream_id in set(self.feeds) - set(wanted):
            if Stream.objects.filter(desired=Desired.ON).exists():
                self.gaps.append(stream_id)
            self.world.feeds[stream_id].remove(self.feeds.pop(stream_id))
        for stream_id, output in wanted.items():
            if stream_id not in self.feeds:
                at = self.world.seconds()
                feed = Feed(first_media_at=at, last_media_at=at + 1e9)
                self.feeds[stream_id] = feed
                self.world.feeds.setdefault(stream_id, []).append(feed)
            Output.objects.filter(pk=output.pk).update(
                state=State.ON_AIR,
                reported_at=now,
                on_air_since=output.on_air_since or now,
                reported_generation=output.generation,
            )

    def run(
        self,
        *,
        until: Callable[[], object] | None = None,
        seconds: float = 600,
        asserts: bool = True,
        sweep_every: float = 60,
    ) -> float:
        """Let time pass as the workers would: looks when they are due, a sweep each minute.

        Seconds that passed; fails when `until` is given and does not come true in time, unless
        `asserts` says that it only watches.
        """
        begun = timezone.now()
        next_sweep = begun + timedelta(seconds=sweep_every)
        while (passed := (timezone.now() - begun).total_seconds()) < seconds:
            self.node()
            if until is not None and until():
                return passed
            now = timezone.now()
            if now >= next_sweep:
                next_sweep = now + timedelta(seconds=sweep_every)
                tasks.sweep()
                self.node()
            for show in Show.objects.filter(look_at__lte=now):
                for _look in range(10):
                    again = shows.advance(show.subject)
                    self.node()
                    if again is None or again > timedelta(seconds=0.5):
                        break
            if until is not None and until():
                return (timezone.now() - begun).total_seconds()
            waiting = [
                at for at in Show.objects.values_list("look_at", flat=True) if at is not None
            ]
            at = min([*waiting, next_sweep, timezone.now() + timedelta(seconds=sweep_every)])
            self.skip(max(0.3, (at - timezone.now()).total_seconds()))
        assert until is None or not asserts, "it did not come true in time"
        return seconds

    def skip(self, seconds: float) -> None:
        """Put both clocks forward."""
        self.clock.shift(seconds)
        requests.get(f"{self.youtube.url}/simulator/state.json", timeout=60)


@pytest.fixture
def stage(settings: Any, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A simulated YouTube; `parametrize("stage", [{…}], indirect=True)` turns its switches."""
    given = dict(getattr(request, "param", {}))
    behaviour = Behaviour(lost_answers=0.0)
    number = given.pop("seed", 7)
    behaviour.change(given)
    options = Options(seed=number, behaviour=behaviour)
    start = datetime.fromisoformat("2026-11-25T09:00:00+00:00")
    cache.clear()
    with time_machine.travel(start, tick=True) as clock, in_thread(options) as youtube:
        settings.GOOGLE_CLIENT_ID = seed.CLIENT_ID
        settings.GOOGLE_CLIENT_SECRET = seed.CLIENT_SECRET
        settings.GOOGLE_AUTHORIZE_URL = f"{youtube.url}/o/oauth2/v2/auth"
        settings.GOOGLE_TOKEN_URL = f"{youtube.url}/token"
        settings.GOOGLE_REVOKE_URL = f"{youtube.url}/revoke"
        settings.YOUTUBE_API_BASE = youtube.url
        settings.YOUTUBE_WATCH_BASE = f"{youtube.url}/watch?v="
        settings.YOUTUBE_TIMEOUT_SECONDS = 2
        settings.DESTINATION_ALLOWLIST = [urlsplit(youtube.rtmp_url).netloc]
        yield Stage(youtube, clock)
        assert youtube.application.api.wrong_answers == []


@pytest.fixture
def channel(stage: Stage, as_alice: Client) -> Channel:
    """Alice's, connected."""
    return stage.connect(as_alice)


def make_stream(workspace: Workspace, by: User, title: str = "Rain", items: int = 2) -> Stream:
    """A stream with media that are ready, and without a destination."""
    playlist = stream_manager.create_playlist(workspace=workspace, name=title)
    for number in range(items):
        asset = Asset.objects.create(
            workspace=workspace, title=f"{title} {number}", state="ready", kind="video",
            duration_ms=600_000, storage_key="sources/x", size_bytes=1000,
        )  # fmt: skip
        ready = {"state": "ready", "prefix": f"tracks/{asset.pk}"}
        video = Track.objects.create(
            asset=asset, kind="video", profile=PROFILE, frames=18_000, **ready
        )
        audio = Track.objects.create(
            asset=asset, kind="audio", profile="aac-44100-stereo@1", frames=25_840, **ready
        )
        Rendition.objects.create(asset=asset, profile=PROFILE, video=video, audio=audio)
        stream_manager.add_items(playlist=playlist, assets=[asset])
    return stream_manager.create_stream(
        workspace=workspace, by=by, title=title, playlist=playlist, profile=PROFILE
    )


@pytest.fixture
def stream(workspace: Workspace, alice: User) -> Stream:
    """Alice's, ready to start."""
    return make_stream(workspace, alice)


@pytest.fixture
def show(stream: Stream, channel: Channel) -> Show:
    """What the stream shall be on the channel; not live yet."""
    return shows.describe(
        workspace=stream.workspace, subject=stream.pk, name=stream.title, channel=channel
    )


@pytest.fixture
def live(stage: Stage, show: Show) -> Show:
    """The same, live."""
    shows.go_live(show=show)

    def is_live() -> bool:
        return Show.objects.filter(pk=show.pk, on_air="live").exists()

    stage.run(until=is_live, seconds=180)
    show.refresh_from_db()
    return show


ORANGE = (255, 165, 0)


def a_picture(colour: str, kind: str = "JPEG") -> bytes:
    """What somebody sends to stand for a broadcast."""
    file = BytesIO()
    Image.new("RGB", (1920, 1080), colour).save(file, kind)
    return file.getvalue()


def shown_at(stage: Stage, show: Show) -> tuple[int, ...]:
    """The colour of the picture that YouTube shows of what is live, a JPEG of its size."""
    kind, content = stage.world.thumbnails[current(show).youtube_id]
    picture = Image.open(BytesIO(content))
    assert (kind, picture.format, picture.size) == ("image/jpeg", "JPEG", (1280, 720))
    colour = picture.getpixel((640, 360))
    assert isinstance(colour, tuple)
    return colour


def current(show: Show) -> Broadcast:
    """The broadcast that is live."""
    return Broadcast.objects.get(show=show, lifecycle="live", ended_at=None, is_wanted=True)


def many(
    stage: Stage, live: Show, workspace: Workspace, alice: User, count: int, *, first: int = 1
) -> None:
    """So many more shows that are live, each on a channel of its own with the same access."""
    seen, key = current(live), IngestKey.objects.get(show=live)
    for number in range(first, count):
        stream = make_stream(workspace, alice, f"Rain {number}", items=1)
        channel = Channel(
            workspace=workspace, youtube_id=f"UC{number}", title=f"C{number}",
            state_since=timezone.now(),
        )  # fmt: skip
        channel.refresh_token = live.channel.refresh_token
        channel.save()
        show = shows.describe(
            workspace=workspace, subject=stream.pk, name=stream.title, channel=channel
        )
        IngestKey.objects.create(
            workspace=workspace, channel=channel, show=show, marker=f"k{number}",
            youtube_id=key.youtube_id, is_open=True,
        )  # fmt: skip
        record = stage.world.broadcasts[seen.youtube_id]
        twin = type(record)("broadcast", stage.world.new_video_id(), record.channel_id,
                            record.truth, dict(record.note))  # fmt: skip
        stage.world.add(twin)
        Broadcast.objects.create(
            workspace=workspace, channel=channel, show=show, reason="start",
            youtube_id=twin.id, title=stream.title, privacy="public",
            scheduled_start=seen.scheduled_start, lifecycle="live", is_bound=True,
            live_at=seen.live_at,
        )  # fmt: skip
        Show.objects.filter(pk=show.pk).update(is_wanted=True, on_air="live")
        type(stream).objects.filter(pk=stream.pk).update(desired="on")


@pytest.fixture
def connected_show(stage: Stage, request: pytest.FixtureRequest) -> Show:
    """A show on a channel that was connected while no answer was lost."""
    lost = stage.world.behaviour.lost_answers
    stage.set(lost_answers=0.0)
    found: Show = request.getfixturevalue("show")
    stage.set(lost_answers=lost)
    return found


@pytest.fixture
def program(workspace: Workspace, alice: User) -> Callable[..., Any]:
    """A program of Alice's: `program("GET", "/channels")` is the answer; FILE posts a form."""
    _, text = services.create_token(
        workspace=workspace, by=alice, name="test", scopes=tuple(Scope.values)
    )

    def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        content = {"data": body, "content_type": "application/json"} if body is not None else {}
        headers = {"Authorization": f"Bearer {text}"}
        if method == "FILE":
            return Client().post(f"/api/v1{path}", body, headers=headers)
        return getattr(Client(), method.lower())(f"/api/v1{path}", headers=headers, **content)

    return ask
