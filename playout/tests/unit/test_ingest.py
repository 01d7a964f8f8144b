from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from itertools import pairwise
from pathlib import Path

import pytest

from playout.ingest import command
from playout.ingest.live import LiveStream, shown_name_of, stream_id_of
from playout.ingest.recorder import Recorder
from playout.ingest.viewer import Viewer
from playout.rtmp import amf0, flv
from playout.rtmp.events import MessageKind, MessageReceived

HEADER = b"\x17\x00\x00\x00\x00avcc"
SOUND_HEADER = b"\xaf\x00\x12\x10"


def video(timestamp: int, body: bytes = b"x", *, key: bool = False) -> MessageReceived:
    head = b"\x17\x01" if key else b"\x27\x01"
    return MessageReceived(MessageKind.VIDEO, timestamp, head + body)


def audio(timestamp: int, body: bytes = b"a") -> MessageReceived:
    return MessageReceived(MessageKind.AUDIO, timestamp, b"\xaf\x01" + body)


def metadata(**values: amf0.Value) -> MessageReceived:
    payload = amf0.encode("onMetaData", amf0.EcmaArray(values))
    return MessageReceived(MessageKind.METADATA, 0, payload)


def begun() -> LiveStream:
    live = LiveStream()
    live.take(MessageReceived(MessageKind.VIDEO, 0, HEADER))
    live.take(MessageReceived(MessageKind.AUDIO, 0, SOUND_HEADER))
    return live


class TestNames:
    def test_the_id_tells_nothing_about_the_key(self) -> None:
        assert stream_id_of("key") == hashlib.sha256(b"key").hexdigest()[:16]

    @pytest.mark.parametrize("name", ["demo", "a", "Camera_2", "my-show", "x" * 20])
    def test_short_plain_names_are_shown(self, name: str) -> None:
        assert shown_name_of(name, is_secret=False) == name
        assert shown_name_of(name, is_secret=True) == stream_id_of(name)

    @pytest.mark.parametrize(
        "name",
        [
            *[
                "",
                ".",
                "..",
                "a/b",
                "a\\b",
                "a b",
                "-a",
                "_a",
                "a.flv",
                "x" * 21,
                "\x00",
                "ü",
                "a\n",
            ],
            *["abcd-efgh-ijkl-mnop-qrst", "abcd-efgh-ijkl-mnop", "live_123456789_abcdefghij"],
        ],
    )
    def test_names_that_are_unsafe_or_like_a_key_are_not(self, name: str) -> None:
        assert shown_name_of(name, is_secret=False) == stream_id_of(name)


class TestTheLiveStream:
    def test_there_is_nothing_to_begin_with_before_a_key_frame(self) -> None:
        live = begun()
        assert live.opening() is None
        live.take(video(0))
        assert live.opening() is None
        live.take(video(33, key=True))
        assert live.opening() is not None

    def test_the_opening_is_headers_at_the_time_of_the_key_frame_and_all_since(self) -> None:
        live = begun()
        about = metadata(width=640.0)
        live.take(about)
        live.take(video(0, b"old", key=True))
        live.take(video(33, b"older"))
        live.take(video(2000, b"new", key=True))
        live.take(audio(2010))
        live.take(video(2033, b"newer"))
        assert live.opening() == b"".join(
            [
                flv.file_header(),
                flv.encode_tag(18, 2000, about.payload),
                flv.encode_tag(9, 2000, HEADER),
                flv.encode_tag(8, 2000, SOUND_HEADER),
                flv.encode_tag(9, 2000, b"\x17\x01new"),
                flv.encode_tag(8, 2010, b"\xaf\x01a"),
                flv.encode_tag(9, 2033, b"\x27\x01newer"),
            ]
        )

    def test_the_file_header_says_what_there_is(self) -> None:
        live = LiveStream()
        live.take(video(0, key=True))
        opening = live.opening()
        assert opening is not None
        assert opening.startswith(flv.file_header(has_audio=False))

    def test_radio_begins_without_pictures(self) -> None:
        live = LiveStream()
        live.take(MessageReceived(MessageKind.AUDIO, 0, SOUND_HEADER))
        for n in range(99):
            live.take(audio(23 * n))
        assert live.opening() is None, "the picture may still come"
        live.take(audio(2300))
        header = flv.file_header(has_video=False)
        assert live.opening() == header + flv.encode_tag(8, 2300, SOUND_HEADER)

    def test_the_end_of_a_sequence_is_no_key_frame(self) -> None:
        live = begun()
        live.take(video(0, b"new", key=True))
        opening = live.opening()
        live.take(MessageReceived(MessageKind.VIDEO, 33, b"\x17\x02\x00\x00\x00"))
        assert live.opening() == opening
        assert live.video_messages == 1

    def test_a_group_that_grows_too_long_is_not_kept(self) -> None:
        live = LiveStream(max_cached_bytes=1000)
        live.take(video(0, key=True))
        for n in range(1, 9):
            live.take(video(33 * n, bytes(100)))
            assert live.opening() is not None
        live.take(video(300, bytes(100)))
        assert live.opening() is None
        live.take(video(333, key=True))
        assert live.opening() is not None

    @pytest.mark.parametrize("begin", [0, 2**32 - 1000])
    def test_it_counts_pictures_by_their_time(self, begin: int) -> None:
        live = begun()
        assert live.fps is None
        for n in range(200):
            live.take(video((begin + 40 * n) % 2**32))
        assert live.fps == 25.0
        assert live.video_messages == 200
        assert live.last_video_ms == (begin + 40 * 199) % 2**32

    def test_pictures_without_time_have_no_rate(self) -> None:
        live = begun()
        live.take(video(5))
        live.take(video(5))
        assert live.fps is None

    def test_it_reads_the_size_from_the_metadata(self) -> None:
        live = LiveStream()
        live.take(metadata(width=1280.0, height=720.0))
        assert (live.width, live.height) == (1280, 720)

    @pytest.mark.parametrize("value", ["1280", float("nan"), float("inf"), -1.0, 1e9, None, True])
    def test_sizes_that_make_no_sense_are_none(self, value: amf0.Value) -> None:
        live = LiveStream()
        live.take(metadata(width=value))
        assert live.width is None

    def test_broken_metadata_is_passed_on_and_not_understood(self) -> None:
        live = LiveStream()
        payload = amf0.encode("onMetaData") + b"\x08\x00"
        tag = live.take(MessageReceived(MessageKind.METADATA, 0, payload))
        assert tag == flv.encode_tag(18, 0, payload)
        assert live.width is None


class TestTheViewer:
    async def test_it_gets_all_that_waits_at_once(self) -> None:
        viewer = Viewer(max_bytes=100)
        viewer.begin(b"begin")
        viewer.put(b"1")
        viewer.put(b"2")
        assert await viewer.next() == b"begin12"

    async def test_it_waits_until_there_is_something(self) -> None:
        viewer = Viewer(max_bytes=100)
        waiting = asyncio.create_task(viewer.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        viewer.put(b"1")
        assert await waiting == b"1"
        viewer.end()
        assert await viewer.next() == b""

    async def test_what_waits_at_the_end_still_comes(self) -> None:
        viewer = Viewer(max_bytes=100)
        viewer.put(b"1")
        viewer.end()
        assert [await viewer.next(), await viewer.next()] == [b"1", b""]

    async def test_it_ends_when_too_much_waits_but_not_for_the_opening(self) -> None:
        viewer = Viewer(max_bytes=100)
        viewer.begin(bytes(1000))
        viewer.put(bytes(100))
        assert not viewer.is_too_slow
        assert len(await viewer.next()) == 1100
        viewer.put(bytes(60))
        viewer.put(bytes(60))
        viewer.put(b"late")
        assert viewer.is_too_slow
        assert await viewer.next() == b""


class TestTheRecorder:
    def test_it_never_writes_over_a_file(self, tmp_path: Path) -> None:
        for number in (1, 2, 3):
            recorder = Recorder(tmp_path, "demo")
            assert recorder.path.name == f"demo-{number}.flv"
            recorder.close(has_audio=True, has_video=True)

    def test_it_corrects_the_header_at_the_end(self, tmp_path: Path) -> None:
        recorder = Recorder(tmp_path, "demo")
        tag = flv.encode_tag(9, 0, b"picture")
        recorder.write(tag)
        assert recorder.path.read_bytes() == flv.file_header() + tag
        recorder.close(has_audio=False, has_video=True)
        assert recorder.path.read_bytes() == flv.file_header(has_audio=False) + tag

    def test_a_late_write_changes_nothing(self, tmp_path: Path) -> None:
        recorder = Recorder(tmp_path, "demo")
        recorder.close(has_audio=True, has_video=True)
        recorder.write(b"late")
        assert recorder.path.read_bytes() == flv.file_header()

    def test_it_says_when_it_cannot_write(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OSError):
            Recorder(tmp_path / "file", "demo")


class TestTheCommand:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("127.0.0.1:1935", ("127.0.0.1", 1935)),
            ("localhost:0", ("localhost", 0)),
            ("[::1]:1935", ("::1", 1935)),
            (":1935", ("", 1935)),
        ],
    )
    def test_it_reads_addresses(self, text: str, expected: tuple[str, int]) -> None:
        assert command.address(text) == expected

    @pytest.mark.parametrize(
        "text", ["1935", "host", "host:", "host:x", "h:65536", "::1", "h:-1", "h:²"]
    )
    def test_it_refuses_what_is_no_address(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError):
            command.address(text)

    def test_it_reads_a_list_of_keys(self, tmp_path: Path) -> None:
        file = tmp_path / "keys.json"
        file.write_text(json.dumps(["a", "b"]))
        assert command.read_keys(file) == {"a", "b"}

    @pytest.mark.parametrize("content", ["", "{}", "[1]", '[""]', '"secret-key"', "[secret-key]"])
    def test_a_bad_key_file_is_wrong_usage_and_is_not_shown(
        self, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "keys.json"
        file.write_text(content)
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        args = parser.parse_args(["--listen", "127.0.0.1:0", "--key-file", str(file)])
        assert command.run(args) == 2
        said = capsys.readouterr().err
        assert "cannot be used: not a JSON list of strings." in said
        assert "secret-key" not in said

    def test_a_missing_key_file_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        args = parser.parse_args(["--listen", ":0", "--key-file", str(tmp_path / "none.json")])
        assert command.run(args) == 2
        assert "none.json cannot be used: No such file" in capsys.readouterr().err

    def test_a_place_where_nothing_can_be_recorded_is_named_at_once(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "no-directory"
        file.touch()
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        args = parser.parse_args(["--listen", "127.0.0.1:0", "--record", str(file)])
        assert command.run(args) == 1
        assert f"nothing can be recorded in {file}: a file is in its way" in capsys.readouterr().err


def test_openings_of_a_running_stream_read_on_without_a_gap() -> None:
    """Whoever joins sees, after the opening, exactly what everybody else sees."""
    live = begun()
    tags: list[bytes] = []
    openings: list[tuple[int, bytes]] = []
    for n in range(150):
        tags.append(live.take(video(33 * n, b"%d" % n, key=n % 60 == 0)))
        opening = live.opening()
        assert opening is not None
        openings.append((n, opening))
    for n, opening in openings:
        group = tags[n - n % 60 : n + 1]
        assert opening.endswith(b"".join(group))
    assert all(a != b for (_, a), (_, b) in pairwise(openings))
