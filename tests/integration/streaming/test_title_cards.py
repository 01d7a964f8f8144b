"""Titles of songs, from the switch to the pixels that a receiver recorded."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.library import preparation, services, tasks
from apps.library.models import Asset, TitleCard, Track
from apps.streaming import engine, lease, stream_manager
from apps.streaming.models import Event, Output, ProgrammeVersion, Stream
from playout import clock
from playout.ingest.server import IngestServer
from playout.publisher.address import parse_address
from playout.publisher.output import Output as Sender
from playout.publisher.output import OutputOptions
from playout.pump.shelf import Shelf
from playout.supervisor.ports import Lease
from playout.testing.quiet import Quiet
from playout.timeline.programme import Programme
from tests.integration.streaming.conftest import PROFILE, make_asset, make_stream, prepare

pytestmark = pytest.mark.django_db

HOSTILE = "Bob's \"Song\": 100%{n} [x];\\n' , movie=/etc/passwd"
LINEAR_B = "\U00010000\U00010001"
"""Letters for which hardly any machine has a font."""
GOP = 60


@pytest.fixture(autouse=True)
def _disk(local_disk: Path, settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.ENCODE_PRESET = "ultrafast"


def make_radio(workspace: Workspace, loop: Asset, songs: list[Asset], **values: Any) -> Stream:
    pictures = stream_manager.create_playlist(workspace=workspace, name="Pictures")
    music = stream_manager.create_playlist(workspace=workspace, name="Music")
    stream_manager.add_items(playlist=pictures, assets=[loop])
    stream_manager.add_items(playlist=music, assets=songs)
    stream = make_stream(workspace, pictures, music=music, title_cards="band", **values)
    stream_manager.start_stream(stream=stream)
    return Stream.objects.get(pk=stream.pk)


@pytest.fixture
def radio(workspace: Workspace) -> Stream:
    """One clip of ten seconds under two songs of ten seconds; no bytes."""
    songs = [prepare(make_asset(workspace, f"Song {n}")) for n in (1, 2)]
    return make_radio(workspace, prepare(make_asset(workspace, "Fire")), songs)


def say_ready(**values: Any) -> None:
    TitleCard.objects.filter(**values).update(
        state="ready", prefix="tracks/x", ready_at=timezone.now() - timedelta(hours=1)
    )


def planned(stream: Stream) -> None:
    stream_manager.plan_cards(stream=Stream.objects.get(pk=stream.pk))


def generation(stream: Stream) -> int:
    return Output.objects.get(stream=stream).generation


def programme_at_node(stream: Stream, tracks: Any) -> Programme:
    ports = engine.DatabaseEngine(tracks)
    output = Output.objects.get(stream=stream)
    if output.node != "node-1":
        engine.register_node(node="node-1", name="one", version="1", capacity_mbps=0)
        lease.claim(node="node-1", limit=1, contact=timedelta(minutes=5))
        output.refresh_from_db()
    for _attempt in range(2):
        (wish,) = ports.desired("node-1", [Lease(str(output.pk), output.token)])
    assert wish.programme is not None
    return wish.programme


class Anywhere:
    """Every track lies in a directory of its name."""

    def bring(self, track_ids: set[str]) -> None: ...
    def follow(self, programmes: object) -> None: ...

    def horizon_seconds(self, output_id: str) -> None:
        return None

    def is_here(self, track_id: str) -> bool:
        return True

    def directory(self, track_id: str) -> str:
        return f"/{track_id}"


def test_titles_of_what_comes_are_asked_for_once(radio):
    planned(radio)
    assert sorted(TitleCard.objects.values_list("text", "group", "frames", "state")) == [
        ("Song 1", 0, 300, "queued"), ("Song 2", 0, 300, "queued"),
    ]  # fmt: skip
    planned(radio)
    assert TitleCard.objects.count() == 2


def test_a_stream_that_shows_no_titles_asks_for_none(radio):
    Stream.objects.update(title_cards="")
    planned(radio)
    stream_manager.stop_stream(stream=radio)
    Stream.objects.update(title_cards="band")
    planned(radio)
    assert not TitleCard.objects.exists()


def test_nodes_are_told_of_new_titles_only(radio):
    planned(radio)
    before = generation(radio)
    planned(radio)
    assert generation(radio) == before
    say_ready(text="Song 1")
    planned(radio)
    assert generation(radio) == before + 1
    planned(radio)
    assert generation(radio) == before + 1
    # Nodes look 90 minutes ahead: from time to time they have to look again.
    Stream.objects.update(cards_told_at=timezone.now() - timedelta(minutes=31))
    planned(radio)
    assert generation(radio) == before + 2


def test_titles_are_no_edit_of_the_programme(radio):
    stream_manager.skip(stream=radio, part="sound")
    radio.refresh_from_db()
    versions, log = ProgrammeVersion.objects.count(), Event.objects.count()
    planned(radio)
    say_ready()
    planned(radio)
    assert (ProgrammeVersion.objects.count(), Event.objects.count()) == (versions, log)
    event = stream_manager.undoable(radio)
    assert event is not None
    stream_manager.undo(stream=radio, version=event.data["version"])


def test_a_node_shows_the_titles_that_are_ready(radio):
    planned(radio)
    assert programme_at_node(radio, Anywhere()).cards == ()
    say_ready(text="Song 2")
    planned(radio)
    cards = programme_at_node(radio, Anywhere()).cards
    assert {card.title for card in cards} == {"Song 2"}
    card = TitleCard.objects.get(text="Song 2")
    assert {card_.video for card_ in cards} == {f"/{card.pk}"}


def test_a_renamed_song_gets_a_new_card_and_the_old_one_goes(radio):
    planned(radio)
    say_ready()
    services.rename_asset(asset=Asset.objects.get(title="Song 2"), title="New name")
    stream_manager.refresh_programme(stream=radio)
    planned(radio)
    assert TitleCard.objects.filter(text="New name", state="queued").exists()
    # The old title is heard of no more; the others are wished again and again.
    TitleCard.objects.update(keep_until=timezone.now() - timedelta(seconds=1))
    planned(radio)
    TitleCard.objects.filter(text="Song 2").update(keep_until=timezone.now() - timedelta(days=1))
    assert services.remove_old_cards() == 1
    assert sorted(TitleCard.objects.values_list("text", flat=True)) == ["New name", "Song 1"]


def test_switching_titles_off_is_told_at_once(radio):
    planned(radio)
    say_ready()
    planned(radio)
    before = generation(radio)
    stream_manager.update_stream(
        stream=radio, title="Channel", playlist=radio.playlist, profile=radio.profile, loop=True,
        start_policy="top", music=radio.music, title_cards="",
    )  # fmt: skip
    assert generation(radio) == before + 1
    assert programme_at_node(radio, Anywhere()).cards == ()


def test_a_card_that_failed_waits_before_it_is_tried_again(radio):
    planned(radio)
    failed = {"state": "failed", "failure_code": "card.unreadable"}
    TitleCard.objects.filter(text="Song 1").update(**failed, updated_at=timezone.now())
    planned(radio)
    assert TitleCard.objects.get(text="Song 1").state == "failed"
    TitleCard.objects.update(updated_at=timezone.now() - timedelta(hours=7))
    planned(radio)
    assert TitleCard.objects.get(text="Song 1").state == "queued"


# -- with real media ----------------------------------------------------------------------------


def received(workspace: Workspace, by: User, name: str, *source: str) -> Asset:
    made = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin",
         *(part for each in source for part in ("-f", "lavfi", "-i", each)),
         "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
         "-f", "matroska", "-"],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    asset = services.receive_file(
        workspace=workspace, by=by, file=SimpleUploadedFile(name, made.stdout)
    )
    assert preparation.check(asset.pk) == "ready"
    rendition = services.request_rendition(asset=asset, profile=PROFILE)
    assert preparation.prepare(rendition.pk) == "ready"
    return Asset.objects.get(pk=asset.pk)


async def recorded(programme: Programme, directory: Path, frames: int) -> Path:
    async with IngestServer("127.0.0.1", record=directory) as server:
        programme = replace(programme, epoch_ns=clock.utc_ns())
        listener = Quiet()
        sender = Sender(
            parse_address(f"rtmp://127.0.0.1:{server.port}/live/{'k' * 20}"), programme, Shelf(),
            listener, options=OutputOptions(start_on_connect=True, end_frame=frames),
        )  # fmt: skip
        await asyncio.wait_for(sender.run(), 60)
        assert listener.substitutions == []
        assert server.session_count == 1
    (file,) = directory.glob("*.flv")
    return file


def lower_thirds(file: Path) -> list[bytes]:
    """The lower third of each picture, small and grey, in the order of showing."""
    raw = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(file), "-an",
         "-fps_mode", "passthrough", "-vf",
         "crop=iw:ih/3:0:ih*2/3,scale=64:16:flags=area,format=gray", "-f", "rawvideo", "-"],
        capture_output=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    return [raw[at : at + 1024] for at in range(0, len(raw), 1024)]


def likeness(one: bytes, other: bytes) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def test_a_receiver_records_each_title_under_its_song_and_the_plain_loop_elsewhere(
    workspace: Workspace, alice: User, tmp_path: Path
) -> None:
    songs = [
        received(workspace, alice, f"{hertz}.mka", f"sine=frequency={hertz}:duration=3.4")
        for hertz in (300, 500, 700)
    ]
    for song, title in zip(songs, ("Plain words", HOSTILE, LINEAR_B), strict=True):
        services.rename_asset(asset=song, title=title)
    loop = received(
        workspace, alice, "loop.mkv", "color=c=blue:s=320x180:r=30:d=6", "sine=duration=6"
    )
    radio = make_radio(workspace, loop, [Asset.objects.get(pk=song.pk) for song in songs])
    planned(radio)
    for card in TitleCard.objects.all():
        tasks.prepare_card(str(card.pk))
    assert dict(TitleCard.objects.values_list("text", "state")) == {
        "Plain words": "ready", HOSTILE: "ready", LINEAR_B: "failed",
    }  # fmt: skip
    assert TitleCard.objects.get(text=LINEAR_B).failure_code == "card.unreadable"
    TitleCard.objects.filter(state="ready").update(ready_at=timezone.now() - timedelta(hours=1))
    planned(radio)

    programme = programme_at_node(radio, engine.TracksHere(tmp_path / "cache", downloads=1))
    pictures = lower_thirds(asyncio.run(recorded(programme, tmp_path / "got", 6 * GOP)))
    assert len(pictures) == 6 * GOP
    aac = Track.objects.get(asset=songs[0], kind="audio").frames
    second = -(-30 * aac * 1024 // 44100)
    # From the first key frame of the loop, for whole groups under the same song.
    shown = {"Plain words": range(GOP), HOSTILE: range(-(-second // GOP) * GOP, 3 * GOP)}
    plain = pictures[-1]
    assert max(plain) - min(plain) < 20
    titled = [n for n, picture in enumerate(pictures) if likeness(picture, plain) > 3]
    assert titled == [*shown["Plain words"], *shown[HOSTILE]]
    assert likeness(pictures[1], pictures[-(-second // GOP) * GOP + 1]) > 3


def test_cards_are_removed_with_their_loop(workspace: Workspace, alice: User) -> None:
    loop = received(workspace, alice, "loop.mkv", "color=c=blue:s=320x240:r=30:d=2",
                    "sine=duration=2")  # fmt: skip
    track = loop.tracks.get(kind="video")
    (card,) = services.request_cards(
        style="corner",
        wanted=[services.WantedCard(track.pk, "سلام", 0, 60, timezone.now() + timedelta(days=1))],
    )
    assert preparation.prepare_card(card.pk) == "ready"
    card.refresh_from_db()
    directory = preparation.local_track_directory(card)
    assert directory is not None
    assert (directory / "video.index").is_file()
    services.delete_asset(asset=loop)
    Asset.objects.update(deleted_at=timezone.now() - timedelta(days=1))
    assert services.purge_deleted() == 1
    assert not directory.exists()
    assert not TitleCard.objects.exists()
