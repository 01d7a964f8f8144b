"""Tracks are used where they lie, or fetched block by block and verified from a real store."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from apps.library.models import Track
from apps.streaming.engine import TracksHere
from apps.streaming.engine.tracks import FEW_TRACKS
from playout.cache import blocks
from playout.media import HOUSE_AUDIO, TrackKind
from playout.timeline.programme import Item, Programme, Version
from playout.tracks.reader import Track as MappedTrack
from playout.tracks.writer import TrackWriter
from tests.integration.streaming.conftest import make_asset
from tests.waiting import wait_until

SECOND = 1_000_000_000


def s3_options(s3, endpoint):
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": s3.bucket,
            "access_key": s3.access_key,
            "secret_key": s3.secret_key,
            "endpoint_url": endpoint,
            "region_name": "us-east-1",
            "addressing_style": "path",
            "signature_version": "s3v4",
            "file_overwrite": True,
        },
    }


@pytest.fixture
def object_store(s3, settings):
    settings.STORAGES = settings.STORAGES | {"default": s3_options(s3, s3.endpoint)}


class FaultyStore:
    """Passes reads on to a store, and spoils the answers as a test wishes."""

    def __init__(self, behind):
        self.fault = "none"
        self.gets = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.gets.append(self.path)
                if outer.fault == "503" and ".track" in self.path:
                    self.send_response(503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                # The signature covers the host that the client spoke to.
                headers = {
                    name: value for name, value in self.headers.items() if name != "Connection"
                }
                request = Request(behind + self.path, headers=headers)
                try:
                    with urlopen(request, timeout=20) as answer:
                        status, body, given = answer.status, answer.read(), answer.headers
                except HTTPError as error:
                    status, body, given = error.code, error.read(), error.headers
                self.send_response(status)
                for name in ("Content-Range", "Content-Type", "ETag"):
                    if given.get(name):
                        self.send_header(name, given[name])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if ".track" in self.path and status == 206:
                    if outer.fault == "flip":
                        body = body[:50] + bytes([body[50] ^ 1]) + body[51:]
                    if outer.fault == "cut" and len(body) > 10:
                        self.wfile.write(body[: len(body) * 9 // 10])
                        self.close_connection = True
                        return
                    if outer.fault == "slow":
                        for n in range(0, len(body), 5000):
                            self.wfile.write(body[n : n + 5000])
                            time.sleep(0.05)
                        return
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def faulty_store(s3, settings, monkeypatch):
    monkeypatch.setattr(blocks, "RETRY_SECONDS", (0.2, 0.4))
    between = FaultyStore(s3.endpoint)
    settings.STORAGES = settings.STORAGES | {"default": s3_options(s3, between.endpoint)}
    yield between
    between.close()


@pytest.fixture
def whole_store(s3, settings):
    """Writes past the faulty one."""

    def save(name, content):
        import boto3

        boto3.client(
            "s3", endpoint_url=s3.endpoint, aws_access_key_id=s3.access_key,
            aws_secret_access_key=s3.secret_key, region_name="us-east-1",
        ).put_object(Bucket=s3.bucket, Key=name, Body=content)  # fmt: skip

    return save


@pytest.fixture
def track(workspace, tmp_path):
    """A real track of sound, in the storage of the test."""

    def make(*, spoil=lambda name, content: content, save=None):
        directory = tmp_path / "made"
        with TrackWriter.audio(directory, HOUSE_AUDIO, b"\x12\x10") as writer:
            for n in range(100):
                writer.add_frame(bytes([n]) * 300)
            writer.finish()
        prefix = f"tracks/{uuid4()}"
        for path in directory.iterdir():
            content = spoil(path.name, path.read_bytes())
            if content is not None and save is not None:
                save(f"{prefix}/{path.name}", content)
            elif content is not None:
                default_storage.save(f"{prefix}/{path.name}", ContentFile(content))
        return Track.objects.create(
            asset=make_asset(workspace, "A"),
            kind="audio",
            profile=HOUSE_AUDIO.id,
            state="ready",
            frames=100,
            prefix=prefix,
        )

    return make


class Clock:
    ns = 1_795_000_000 * SECOND

    def __call__(self):
        return self.ns


@pytest.fixture
def shelf(tmp_path):
    """Tracks here, and a way to wait for what its threads do."""
    changed = threading.Event()
    clock = Clock()
    here = TracksHere(tmp_path / "cache", on_change=changed.set, boottime_ns=clock, utc_ns=clock)
    here.changed = changed
    yield here
    here.close()


def play(shelf, *names):
    """Put these tracks of sound on air."""
    items = tuple(Item(name, name, name, 30) for name in names)
    epoch = shelf._utc_ns()
    programme = Programme(epoch, HOUSE_AUDIO.rate, HOUSE_AUDIO.rate, (Version(1, 0, items),))
    shelf.bring(set(names))
    shelf.follow({"o": programme})


pytestmark = pytest.mark.integration


@pytest.mark.django_db
def test_what_no_programme_holds_any_more_is_forgotten_in_time(local_disk, workspace, shelf):
    made = Track.objects.bulk_create(
        Track(
            asset=make_asset(workspace, "A"), kind="video", profile=f"p{n}", state="ready",
            frames=1, prefix=f"tracks/{n}",
        )
        for n in range(FEW_TRACKS + 10)
    )  # fmt: skip
    names = [str(track.pk) for track in made]
    for name in names:
        shelf.bring({name, names[0]})
    assert shelf.directory(names[0]).endswith("tracks/0")
    assert len(shelf._tracks) <= FEW_TRACKS + 5
    shelf.bring({names[3]})
    assert shelf.directory(names[3]).endswith("tracks/3")


@pytest.mark.django_db
def test_on_a_local_disk_a_track_is_used_where_it_was_prepared(local_disk, track, shelf):
    made = track()
    name = str(made.pk)
    assert not shelf.is_here(name)
    shelf.bring({name})
    assert shelf.is_here(name)
    assert shelf.directory(name) == default_storage.path(made.prefix)
    assert shelf.horizon_seconds("o") is None
    MappedTrack.open(Path(shelf.directory(name)), TrackKind.AUDIO).verify()


@pytest.mark.django_db
def test_a_track_that_is_not_ready_is_not_here_and_not_asked_for_in_every_sweep(
    local_disk, track, shelf, django_assert_num_queries
):
    made = track()
    Track.objects.update(state="running")
    name = str(made.pk)
    shelf.bring({name})
    assert not shelf.is_here(name)
    with django_assert_num_queries(0):
        shelf.bring({name})
    Track.objects.update(state="ready")
    shelf._boottime_ns.ns += 10 * SECOND
    shelf.bring({name})
    assert shelf.is_here(name)


@pytest.mark.django_db(transaction=True)
def test_from_a_store_it_is_fetched_in_the_background_and_kept_over_a_restart(
    object_store, track, shelf, tmp_path
):
    made = track()
    name = str(made.pk)
    play(shelf, name)
    wait_until(lambda: shelf.is_here(name), "the track")
    assert shelf.changed.is_set()
    assert shelf.horizon_seconds("o") == 6 * 3600
    found = MappedTrack.open(Path(shelf.directory(name)), TrackKind.AUDIO)
    found.verify()
    assert found.frames == 100
    clock = shelf._utc_ns
    again = TracksHere(tmp_path / "cache", boottime_ns=clock, utc_ns=clock)
    play(again, name)
    assert again.is_here(name)
    again.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", ["503", "cut", "flip", "slow"])
def test_what_a_sick_store_sends_is_resumed_or_refused_and_right_in_the_end(
    faulty_store, whole_store, track, shelf, fault
):
    name = str(track(save=whole_store).pk)
    faulty_store.fault = fault
    play(shelf, name)
    if fault in ("503", "flip"):
        wait_until(lambda: sum(".track" in path for path in faulty_store.gets) >= 2, "a second try")
        assert not shelf.is_here(name)
        assert shelf.horizon_seconds("o") == 0
        have = Path(shelf.directory(name)) / "audio.have"
        assert have.read_bytes() == b"\0"
        faulty_store.fault = "none"
    wait_until(lambda: follow_again(shelf) or shelf.is_here(name), "the track")
    MappedTrack.open(Path(shelf.directory(name)), TrackKind.AUDIO).verify()


def follow_again(shelf):
    shelf.follow(shelf._blocks._programmes)
