"""A playlist at YouTube as order and titles for files of the library."""

import pytest

from apps.library.models import Asset
from apps.streaming import stream_manager
from apps.streaming.models import Playlist, PlaylistItem, PlaylistSource
from apps.youtube.services import listing
from simulator import seed
from tests.integration.youtube.conftest import GARDEN

pytestmark = pytest.mark.django_db

EVENING = "PL" + seed.HARBOUR[2:]


def in_library(workspace, title, *, name="", seconds):
    return Asset.objects.create(
        workspace=workspace, title=title, original_name=name, state="ready", kind="video",
        duration_ms=seconds * 1000, storage_key="sources/x", size_bytes=1,
    )  # fmt: skip


def seconds_of(number):
    """As the simulated videos are long."""
    return (number % 7 + 2) * 60 + number % 60


def titles(playlist):
    return list(playlist.items.order_by("position").values_list("asset__title", flat=True))


@pytest.fixture
def files(workspace):
    return [
        in_library(workspace, "harbour radio piece 3", seconds=seconds_of(3)),
        in_library(workspace, "First", name="saved-harbpiece01.mp4", seconds=7),
        in_library(workspace, "Harbour Radio, piece 2", seconds=seconds_of(2) + 1),
        in_library(workspace, "Harbour Radio, piece 4", seconds=9999),
        in_library(workspace, "By hand", seconds=5),
    ]


def test_it_becomes_a_playlist_in_that_order_of_what_the_library_has(
    stage, channel, workspace, as_alice, files
):
    page = f"/playlists/youtube/?workspace={workspace.slug}"
    chosen = {"channel_id": str(channel.pk)}
    as_alice.post(page, chosen)
    assert "Evening programme" in as_alice.get(page).content.decode()
    before = len(stage.world.calls)
    made = as_alice.post(page, chosen | {"playlist": EVENING})
    playlist = Playlist.objects.get(name="Evening programme")
    assert made["Location"] == playlist.get_absolute_url()
    first_three = ["First", "Harbour Radio, piece 2", "harbour radio piece 3"]
    # The list ends with its first three once more.
    assert titles(playlist) == first_three * 2
    item = playlist.items.order_by("position").first()
    assert (item.video_id, item.video_title) == ("harbpiece01", "Harbour Radio, piece 1")
    source = PlaylistSource.objects.get()
    assert (source.found_count, source.missing_count, source.gone_count) == (6, 54, 2)
    assert {"id": "harbpiece04", "title": "Harbour Radio, piece 4"} in source.missing
    shown = as_alice.get(playlist.get_absolute_url()).content.decode()
    assert "54 videos have no file here" in shown
    # Names and lengths only; pages of fifty.
    calls = [call["method"] for call in list(stage.world.calls)[before:]]
    assert sorted(calls) == ["playlistItems.list"] * 2 + ["playlists.list"] + ["videos.list"] * 2


def test_reading_it_again_keeps_what_is_the_same_and_what_was_added_by_hand(
    stage, channel, workspace, as_alice, files
):
    playlist = stream_manager.make_from_youtube(
        workspace=workspace, channel=channel, youtube_id=EVENING
    )
    stream_manager.add_items(playlist=playlist, assets=[files[4]], position=0)
    kept = dict(playlist.items.exclude(video_id="").values_list("pk", "video_id"))
    in_library(workspace, "Harbour Radio, piece 5", seconds=seconds_of(5))
    entry = stage.world.playlist_items[f"{EVENING}.0"]
    stage.world.delete(entry)
    stage.skip(30)
    answer = as_alice.post(f"/playlists/{playlist.pk}/refresh/", follow=True)
    assert "in YouTube&#x27;s order now" in answer.content.decode()
    assert titles(playlist) == [
        "Harbour Radio, piece 2", "harbour radio piece 3", "Harbour Radio, piece 5",
        "First", "Harbour Radio, piece 2", "harbour radio piece 3", "By hand",
    ]  # fmt: skip
    still = dict(PlaylistItem.objects.filter(pk__in=kept).values_list("pk", "video_id"))
    assert len(still) == 5
    assert all(kept[pk] == video for pk, video in still.items())


def test_what_is_not_the_channel_s_or_not_there_is_refused(
    stage, channel, workspace, as_charlie, program
):
    foreign = stage.connect(as_charlie, who=GARDEN)
    theirs = "PL" + foreign.youtube_id[2:]
    for youtube_id in (theirs, "PLnone"):
        body = {"channel_id": str(channel.pk), "youtube_id": youtube_id}
        answer = program("POST", "/playlists/from-youtube", body)
        assert answer.status_code == 409
        assert answer.json()["code"] == "playlist.not_on_youtube"
    body = {"channel_id": str(foreign.pk), "youtube_id": theirs}
    assert program("POST", "/playlists/from-youtube", body).status_code == 422
    assert not Playlist.objects.exists()


def test_durations_are_read_as_youtube_writes_them():
    assert listing.seconds_of("PT1H2M3S") == 3723
    assert listing.seconds_of("P1DT1S") == 86401
    assert listing.seconds_of("P0D") is None
    assert listing.seconds_of("soon") is None
