"""Checking and preparing real and hostile files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db.models import F
from django.utils import timezone

from apps.library import lease, preparation, services, tasks
from apps.library.models import Asset, Rendition, Track
from tests.integration.library.conftest import PROFILE, files_in

pytestmark = pytest.mark.django_db


def leftovers(library: Path) -> list[str]:
    return [name for name in files_in(library) if not name.startswith("run/")]


def test_a_video_is_described_and_gets_a_picture(ready):
    assert (ready.kind, ready.width, ready.height) == ("video", 160, 90)
    assert ready.duration_ms == pytest.approx(2000, abs=60)
    assert len(ready.sha256) == 64
    assert "H.264" in ready.probe["summary"]
    with default_storage.open(ready.thumbnail_key) as picture:
        assert picture.read(3) == b"\xff\xd8\xff"


def test_sound_alone_needs_no_picture(received, tone):
    asset = received(tone, "tone.mp3")
    assert preparation.check(asset.pk) == "ready"
    asset.refresh_from_db()
    assert (asset.kind, asset.thumbnail_key) == ("audio", "")


def test_checking_asks_for_the_default_format_and_preparing_makes_it(
    received, clip, django_capture_on_commit_callbacks
):
    asset = received(clip)
    tasks.check_asset.apply(args=[str(asset.pk)], throw=True)
    rendition = Rendition.objects.get(asset=asset)
    assert (rendition.profile, rendition.state) == (f"{PROFILE}@1", "queued")
    tasks.prepare_rendition.apply(args=[str(rendition.pk)], throw=True)
    rendition = Rendition.objects.select_related("video", "audio").get()
    assert rendition.state == "ready"
    assert rendition.video.frames == 60
    assert rendition.audio.frames * 1024 / 44100 > 2.0
    for track in (rendition.video, rendition.audio):
        directory = preparation.local_track_directory(track)
        names = preparation.track_names(track)
        assert [Path(default_storage.path(name)).parent for name in names] == [directory] * 2
        assert sum(default_storage.size(name) for name in names) == track.size_bytes


HOSTILE = {
    "text": (b"hello, I am a film\n" * 50, "source.not_media"),
    "empty bytes": (b"\0" * 5000, "source.empty"),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 200, "source.image"),
    "playlist": (b"#EXTM3U\nfile:///etc/passwd\n", "source.playlist"),
    "concat script": (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "source.playlist"),
    "random": (bytes(range(256)) * 40, "source.not_media"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_no_media_fails_with_a_reason_and_leaves_the_disk(kind, received, library):
    content, code = HOSTILE[kind]
    asset = received(content, "-film.mp4")
    assert preparation.check(asset.pk) == "failed"
    asset.refresh_from_db()
    assert (asset.state, asset.failure_code) == ("failed", code)
    assert asset.failure_message
    assert asset.failure_advice
    assert str(library) not in asset.failure_message
    assert (asset.storage_key, asset.size_bytes) == ("", 0)
    assert leftovers(library) == []


def test_a_truncated_video_fails_with_a_reason(received, clip, library):
    whole = clip.read_bytes()
    asset = received(whole[: len(whole) // 2])
    assert preparation.check(asset.pk) == "failed"
    asset.refresh_from_db()
    assert asset.failure_code == "source.truncated"
    assert leftovers(library) == []


def test_the_worker_goes_on_after_a_hostile_file(received, clip):
    bad, good = received(b"text"), received(clip)
    for asset in (bad, good):
        tasks.check_asset.apply(args=[str(asset.pk)], throw=True)
    states = dict(Asset.objects.values_list("pk", "state"))
    assert states == {bad.pk: "failed", good.pk: "ready"}


def test_a_task_delivered_twice_runs_once(ready):
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    assert preparation.prepare(rendition.pk) == "ready"
    prefix = Track.objects.get(kind="video").prefix
    assert preparation.prepare(rendition.pk) == "ready"
    assert preparation.check(ready.pk) is None
    video = Track.objects.get(kind="video")
    assert (video.prefix, video.attempt) == (prefix, 1)


def test_a_row_that_another_worker_holds_is_left_alone(ready):
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    held = Track.objects.filter(pk=rendition.video_id)
    assert lease.claim(held, f"another-machine:1:1:{os.getpid()}")
    assert preparation.prepare(rendition.pk) is None
    assert not lease.claim(held, lease.new_owner())


def test_a_row_whose_lease_ran_out_is_taken_over_and_tidied(ready, library):
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    left = library / "media" / "tracks" / "left-by-the-dead"
    left.mkdir(parents=True)
    (left / ".video.track.part").write_bytes(b"half")
    Track.objects.filter(pk=rendition.video_id).update(
        state="running",
        prefix="tracks/left-by-the-dead",
        lease_owner="another-machine:1:1:x",
        lease_expires_at=timezone.now() - lease.TTL,
        attempt=1,
    )
    assert preparation.prepare(rendition.pk) == "ready"
    assert not left.exists()
    assert Track.objects.get(pk=rendition.video_id).attempt == 2


def test_a_worker_that_lost_its_lease_writes_nothing(ready, library, monkeypatch):
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    monkeypatch.setattr(lease, "RENEW_EVERY_SECONDS", 0.0)
    thief = Track.objects.filter(pk=rendition.video_id)

    def steal(_progress: object) -> None:
        thief.update(lease_owner="another-machine:1:1:x", attempt=F("attempt") + 1)

    monkeypatch.setattr(
        preparation.Keeper, "note_progress", lambda _self, progress: steal(progress)
    )
    assert preparation.prepare(rendition.pk) is None
    video = Track.objects.get(pk=rendition.video_id)
    assert (video.state, video.lease_owner) == ("running", "another-machine:1:1:x")
    assert not [name for name in files_in(library) if name.startswith("media/tracks/")]


def test_deleting_stops_the_preparation(ready, monkeypatch):
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    monkeypatch.setattr(lease, "RENEW_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(
        preparation.Keeper,
        "note_progress",
        lambda _self, _progress: services.delete_asset(asset=ready),
    )
    assert preparation.prepare(rendition.pk) is None
    rendition.refresh_from_db()
    assert (rendition.video.state, rendition.video.lease_owner) == ("queued", "")


def test_a_row_that_keeps_killing_its_worker_is_given_up(ready):
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    Track.objects.filter(pk=rendition.video_id).update(attempt=preparation.ATTEMPTS)
    assert preparation.prepare(rendition.pk) == "failed"
    rendition.refresh_from_db()
    assert rendition.state == "failed"
    assert rendition.failure.failure_code == "prepare.gave_up"
    assert services.retry_asset(asset=ready)
    assert preparation.prepare(rendition.pk) == "ready"


def test_two_formats_share_one_sound_track_long_enough_for_both(ready):
    slow = services.request_rendition(asset=ready, profile=PROFILE)
    fast = services.request_rendition(asset=ready, profile="480p24-economy")
    assert slow.audio_id == fast.audio_id
    assert preparation.prepare(slow.pk) == "ready"
    assert preparation.prepare(fast.pk) == "ready"
    audio = Track.objects.get(pk=slow.audio_id)
    for rendition, fps in ((slow, 30), (fast, 24)):
        frames = Track.objects.get(pk=rendition.video_id).frames
        assert audio.frames * 1024 / 44100 >= frames / fps


def test_the_sound_is_known_apart_from_the_silence_behind_it(received, tone, mute):
    found = {}
    for source in (tone, mute):
        asset = received(source, source.name)
        assert preparation.check(asset.pk) == "ready"
        rendition = services.request_rendition(asset=asset, profile=PROFILE)
        assert preparation.prepare(rendition.pk) == "ready"
        found[source] = Track.objects.get(pk=rendition.audio_id)
    heard = found[tone].heard_frames
    assert heard * 1024 / 44100 == pytest.approx(2, abs=0.06)
    assert heard < found[tone].frames
    assert found[mute].heard_frames is None


def test_an_unknown_format_is_refused(ready):
    with pytest.raises(Exception, match="no profile called"):
        services.request_rendition(asset=ready, profile="8k")


def test_the_sweep_finds_what_was_forgotten(
    received, clip, ready, django_capture_on_commit_callbacks, monkeypatch
):
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(tasks, "wake_task_on_commit", lambda name, pk: sent.append((name, pk)))
    waiting = received(clip)
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    tasks.sweep.apply(throw=True)
    assert set(sent) == {
        ("apps.library.tasks.check_asset", str(waiting.pk)),
        ("apps.library.tasks.prepare_rendition", str(rendition.pk)),
    }
    sent.clear()
    lease.claim(Track.objects.filter(pk=rendition.video_id), lease.new_owner())
    lease.claim(Asset.objects.filter(pk=waiting.pk), lease.new_owner())
    tasks.sweep.apply(throw=True)
    assert sent == []


def test_the_sweep_removes_what_killed_workers_left(library):
    scrap = library / "tmp" / "tmpabc"
    scrap.mkdir(parents=True)
    (scrap / "source").write_bytes(b"half a film")
    fresh = library / "tmp" / "tmpdef"
    fresh.mkdir()
    old = timezone.now().timestamp() - 3 * tasks.LONGEST_PREPARATION_S
    os.utime(scrap, (old, old))
    tasks.sweep.apply(throw=True)
    assert not scrap.exists()
    assert fresh.exists()


def test_one_format_that_fails_leaves_the_other_waiting(ready):
    bad = services.request_rendition(asset=ready, profile=PROFILE)
    good = services.request_rendition(asset=ready, profile="480p25-economy")
    Track.objects.filter(pk=bad.video_id).update(attempt=preparation.ATTEMPTS)
    assert preparation.prepare(bad.pk) == "failed"
    assert Rendition.objects.get(pk=good.pk).state != "failed"
    assert preparation.prepare(good.pk) == "ready"
    assert Rendition.objects.get(pk=good.pk).state == "ready"
    assert Rendition.objects.get(pk=bad.pk).state == "failed"


def test_what_was_prepared_is_kept_while_it_is_prepared_again(ready, library):
    first = services.request_rendition(asset=ready, profile=PROFILE)
    second = services.request_rendition(asset=ready, profile="480p24-economy")
    assert not services.prepare_again(asset=ready), "nothing is ready yet"
    for rendition in (first, second):
        assert preparation.prepare(rendition.pk) == "ready"
    old = list(ready.tracks.all())
    assert services.prepare_again(asset=ready)
    assert not services.prepare_again(asset=ready), "it is under way"
    for rendition in (first, second):
        assert preparation.prepare(rendition.pk) == "ready"
        rendition.refresh_from_db()
    assert first.audio_id == second.audio_id
    new = {first.video, second.video, first.audio}
    assert {(track.kind, track.profile) for track in new} == {
        (track.kind, track.profile) for track in old
    }
    for track in [*old, *new]:
        track.refresh_from_db()
        directory = preparation.local_track_directory(track)
        assert (track.is_ready, (directory / f"{track.kind}.index").is_file()) == (True, True)
    assert not {track.prefix for track in old} & {track.prefix for track in new}


def test_what_was_replaced_goes_when_nothing_can_be_playing_it(ready):
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    preparation.prepare(rendition.pk)
    old = preparation.local_track_directory(ready.tracks.get(kind="video"))
    services.prepare_again(asset=ready)
    long_ago = timezone.now() - 2 * services.assets.REPLACED_TIME
    ready.tracks.filter(state="ready").update(replaced_at=long_ago)
    assert services.remove_replaced() == 0, "there is nothing better yet"
    preparation.prepare(rendition.pk)
    assert services.remove_replaced() == 2
    assert not old.exists()
    assert [track.replaced_at for track in ready.tracks.all()] == [None, None]
    for track in ready.tracks.all():
        assert preparation.local_track_directory(track).is_dir()


def test_what_had_failed_is_prepared_again_with_the_rest(ready):
    good = services.request_rendition(asset=ready, profile=PROFILE)
    assert preparation.prepare(good.pk) == "ready"
    bad = services.request_rendition(asset=ready, profile="480p25-economy")
    Track.objects.filter(pk=bad.video_id).update(attempt=preparation.ATTEMPTS)
    assert preparation.prepare(bad.pk) == "failed"
    assert services.prepare_again(asset=ready)
    for rendition in (bad, good):
        assert preparation.prepare(rendition.pk) == "ready"


def test_a_file_of_zeros_is_refused_without_reading_it(received, library):
    """Three gigabytes that take no room on the disk must take no time either."""
    asset = received(b"x")
    with Path(default_storage.path(asset.storage_key)).open("r+b") as file:
        file.truncate(0)
        file.truncate(3 << 30)
    began = time.monotonic()
    assert preparation.check(asset.pk) == "failed"
    assert time.monotonic() - began < 5
    asset.refresh_from_db()
    assert asset.failure_code == "source.empty"
    assert leftovers(library) == []


def test_a_deleted_file_comes_back_or_goes_for_good(ready, library):
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    preparation.prepare(rendition.pk)
    services.delete_asset(asset=ready)
    assert services.purge_deleted() == 0
    services.restore_asset(asset=ready)
    services.delete_asset(asset=ready)
    Asset.objects.update(deleted_at=timezone.now() - 2 * services.assets.UNDO_TIME)
    with pytest.raises(Exception, match="too late"):
        services.restore_asset(asset=ready)
    assert services.purge_deleted() == 1
    assert leftovers(library) == []
    assert not Track.objects.exists()
