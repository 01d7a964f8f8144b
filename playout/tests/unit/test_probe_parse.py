"""Kinds by content, wholeness, turns, and what libav's facts amount to."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import pytest

from playout.errors import (
    SourceCorrupt,
    SourceEmpty,
    SourceIsImage,
    SourceIsPlaylist,
    SourceNotMedia,
    SourceTooLarge,
    SourceTruncated,
)
from playout.probe.parse import (
    Container,
    ProbeLimits,
    Turn,
    check_whole,
    media_info,
    sniff,
    spoken_duration,
    turn_from_matrix,
)

LIMITS = ProbeLimits()


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (box(b"ftyp", b"isom\0\0\2\0isom"), Container.MP4),
        (box(b"ftyp", b"qt  \0\0\2\0qt  "), Container.MP4),
        (box(b"wide") + box(b"mdat", b"x"), Container.MP4),
        (b"\x1a\x45\xdf\xa3\x9fB\x86", Container.MATROSKA),
        (b"RIFF\0\0\0\0WAVEfmt ", Container.WAV),
        (b"RIFF\0\0\0\0AVI LIST", Container.AVI),
        (b"OggS\0\2", Container.OGG),
        (b"fLaC\0\0\0\x22", Container.FLAC),
        (b"FLV\x01\x05", Container.FLV),
        (b"\0\0\x01\xba\x44", Container.MPEG_PS),
        ((b"G" + bytes(187)) * 4, Container.MPEG_TS),
        ((b"\0\0\0\0G" + bytes(187)) * 4, Container.MPEG_TS),
        (b"ID3\x04\0\0\0\0\0\x02xx\xff\xfb\x90\0", Container.MP3),
        (b"ID3\x04\0\0\0\0\0\x02xxfLaC", Container.FLAC),
        (b"ID3\x04\0\0\0\0\0\x02xx\xff\xf1\x50\x80", Container.ADTS),
        (b"\xff\xf1\x50\x80\0\x1f\xfc", Container.ADTS),
        ((b"\xff\xfb\x90\0" + bytes(413)) * 2, Container.MP3),
    ],
)
def test_it_knows_media_by_its_first_bytes(head: bytes, kind: Container) -> None:
    assert sniff(head) is kind


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"", SourceEmpty),
        (b"#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd\n", SourceIsPlaylist),
        (b"\xef\xbb\xbf  \r\n#extm3u\n", SourceIsPlaylist),
        ("#EXTM3U\nhttp://127.0.0.1/\n".encode("utf-16"), SourceIsPlaylist),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", SourceIsPlaylist),
        (b"concat:/etc/passwd|/etc/hosts", SourceIsPlaylist),
        (b"[playlist]\nFile1=http://127.0.0.1/\n", SourceIsPlaylist),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", SourceIsPlaylist),
        (b'<?xml version="1.0"?><MPD/>', SourceIsPlaylist),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", SourceIsPlaylist),
        (b"#!/bin/sh\nrm -rf /\n", SourceIsPlaylist),
        (b"Dear Alice,\nhere is the film.\n", SourceNotMedia),
        ("Liebe Ärzte\n".encode("latin-1"), SourceNotMedia),
        (b"\x89PNG\r\n\x1a\n", SourceIsImage),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", SourceIsImage),
        (b"GIF89a\x01\0", SourceIsImage),
        (b"BM\x36\x10\0\0", SourceIsImage),
        (b"II*\0\x08\0\0\0", SourceIsImage),
        (b"RIFF\x10\0\0\0WEBPVP8 ", SourceIsImage),
        (box(b"ftyp", b"heic\0\0\0\0mif1heic"), SourceIsImage),
        (b"PK\x03\x04\x14\0\x08\0\x08\0", SourceNotMedia),
        (b"\x7fELF\x02\x01\x01\0\0\0", SourceNotMedia),
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3\n" + bytes(range(128, 250)), SourceNotMedia),
        (b"\xff\xfb\x90\0" + bytes(500), SourceNotMedia),
    ],
)
def test_it_refuses_what_is_not_media(head: bytes, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        sniff(head)
    assert type(caught.value) is error


def whole(container: Container, data: bytes, cut: int | None = None) -> None:
    kept = data[:cut]
    check_whole(container, len(kept), lambda at, count: kept[at : at + count])


FILM = box(b"ftyp", b"isom") + box(b"moov", bytes(50)) + box(b"mdat", bytes(500))


def test_it_accepts_whole_files() -> None:
    whole(Container.MP4, FILM)
    whole(Container.MP4, box(b"ftyp") + box(b"mdat", bytes(9)) + box(b"moov"))
    whole(Container.MP4, FILM + b"\0\0\0\0junk behind the film")
    whole(Container.MP4, box(b"moov") + struct.pack(">I4s", 0, b"mdat") + bytes(99))
    large = struct.pack(">I4sQ", 1, b"mdat", 16 + 100) + bytes(100)
    whole(Container.MP4, box(b"moov") + large)


@pytest.mark.parametrize("kept", range(9, len(FILM), 13))
def test_it_sees_that_the_end_is_missing(kept: int) -> None:
    with pytest.raises(SourceTruncated):
        whole(Container.MP4, FILM, kept)


def test_it_sees_that_the_index_is_missing() -> None:
    with pytest.raises(SourceTruncated, match="moov"):
        whole(Container.MP4, box(b"ftyp") + box(b"mdat", bytes(99)))


def test_it_compares_the_lengths_of_other_containers() -> None:
    segment = b"\x1a\x45\xdf\xa3\x82ab" + b"\x18\x53\x80\x67\x41\x00" + bytes(256)
    whole(Container.MATROSKA, segment)
    with pytest.raises(SourceTruncated):
        whole(Container.MATROSKA, segment, -1)
    live = (
        b"\x1a\x45\xdf\xa3\x82ab" + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + bytes(9)
    )
    whole(Container.MATROSKA, live)
    wav = b"RIFF" + struct.pack("<I", 100) + b"WAVE" + bytes(96)
    whole(Container.WAV, wav)
    with pytest.raises(SourceTruncated):
        whole(Container.WAV, wav, -2)


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((1, 0, 0, 0, 1), Turn.NONE),
        ((0, 1, 0, -1, 0), Turn.CLOCKWISE),
        ((0, -1, 0, 1, 0), Turn.COUNTER_CLOCKWISE),
        ((-1, 0, 0, 0, -1), Turn.HALF),
        ((-1, 0, 0, 0, 1), Turn.MIRROR),
        ((1, 0, 0, 0, -1), Turn.FLIP),
        ((0, 1, 0, 1, 0), Turn.COUNTER_CLOCKWISE_FLIP),
        ((0, -1, 0, -1, 0), Turn.CLOCKWISE_FLIP),
        (None, Turn.NONE),
    ],
)
def test_it_reads_display_matrices(matrix: tuple[int, ...] | None, turn: Turn) -> None:
    assert turn_from_matrix(matrix) is turn


def video_facts(**changes: Any) -> dict[str, Any]:
    return {
        "index": 0, "type": "video", "default": True, "attached": False, "duration": 4.0,
        "start": 0.0, "packets": 120, "decoded": 6, "codec": "h264", "profile": "High",
        "header": "", "alpha": False, "width": 640, "height": 360, "average_rate": [30, 1],
        "guessed_rate": [30, 1], "sample_aspect": [1, 1], "pixel_format": "yuv420p",
        "bit_depth": 8, "colorspace": 1, "transfer": 1, "primaries": 1, "range": 1,
        "interlaced": False, "hidden": False, "matrix_values": None,
        "times": [n / 30 for n in range(120)],
        "key_times": [0.0, 2.0, 4.0],
    } | changes  # fmt: skip


def audio_facts(**changes: Any) -> dict[str, Any]:
    return {
        "index": 1, "type": "audio", "default": True, "attached": False, "duration": 4.0,
        "start": 0.0, "packets": 170, "decoded": 6, "codec": "aac", "profile": "LC",
        "header": "1210", "channels": 2, "layout": "stereo", "rate": 44100,
    } | changes  # fmt: skip


def facts(*streams: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"duration": 4.0, "start": 0.0, "read_all": True, "streams": list(streams)} | changes


def judge(*streams: dict[str, Any], **changes: Any) -> Any:
    return media_info(facts(*streams, **changes), Container.MP4, 1000, LIMITS)


def test_it_describes_film_and_sound() -> None:
    info = judge(video_facts(), audio_facts())

    assert (info.video.width, info.video.frame_rate, info.video.matrix) == (640, 30, "bt709")
    assert (info.video.variable_rate, info.video.gop_seconds) == (False, 2.0)
    assert (info.audio.sample_rate, info.audio.layout) == (44100, "stereo")
    assert info.to_json()["video"]["frame_rate"] == "30/1"
    assert info.to_json()["video"]["turn"] == "none"


def test_it_sees_a_variable_rate_but_forgives_coarse_time_stamps() -> None:
    coarse = [round(n / 30, 3) for n in range(120)]
    uneven = [n / 30 + (0.02 if n % 7 == 0 else 0) for n in range(120)]

    assert not judge(video_facts(times=coarse)).video.variable_rate
    assert judge(video_facts(times=uneven)).video.variable_rate


def test_it_measures_the_rate_where_the_file_lies_about_it() -> None:
    info = judge(video_facts(average_rate=[90000, 1]))

    assert info.video.frame_rate == Fraction(30)


def test_it_sees_the_rate_behind_rounded_time_stamps() -> None:
    for rate in (Fraction(30), Fraction(30_000, 1001), Fraction(50), Fraction(24_000, 1001)):
        times = [round(float(n / rate), 3) for n in range(400)]
        info = judge(video_facts(times=times, average_rate=[1000, round(1000 / rate)]))
        assert info.video.frame_rate == rate


def test_it_takes_the_default_track_that_can_be_decoded() -> None:
    info = judge(
        video_facts(default=False),
        audio_facts(index=1, default=False),
        audio_facts(index=2),
        audio_facts(index=3, decoded=0),
    )

    assert info.audio.index == 2
    assert info.other_tracks == 2


def test_a_picture_in_a_song_is_a_cover_and_no_film() -> None:
    info = judge(video_facts(attached=True), audio_facts())

    assert info.video is None
    assert info.cover_index == 0


def test_a_sound_track_without_a_single_packet_is_none() -> None:
    assert judge(video_facts(), audio_facts(packets=0, decoded=0)).audio is None


def test_a_sound_track_that_begins_later_than_we_looked_is_used() -> None:
    info = judge(video_facts(), audio_facts(packets=0, decoded=0), read_all=False)

    assert info.audio.index == 1


@pytest.mark.parametrize(
    ("streams", "error"),
    [
        ([], SourceNotMedia),
        ([video_facts(attached=True)], SourceIsImage),
        ([video_facts(decoded=0)], SourceCorrupt),
        ([video_facts(), audio_facts(decoded=0)], SourceCorrupt),
        ([video_facts(width=32768, height=32768)], SourceTooLarge),
        ([video_facts(width=8000, height=8000)], SourceTooLarge),
        ([audio_facts(index=n) for n in range(65)], SourceTooLarge),
    ],
)
def test_it_refuses_what_cannot_be_used(
    streams: list[dict[str, Any]], error: type[Exception]
) -> None:
    with pytest.raises(error):
        judge(*streams)


def test_it_refuses_a_year() -> None:
    with pytest.raises(SourceTooLarge, match="8760 h"):
        judge(video_facts(), duration=365 * 86400.0)


def test_it_says_durations_as_people_do() -> None:
    assert spoken_duration(7.52) == "7.5 s"
    assert spoken_duration(0.9) == "0.9 s"
    assert spoken_duration(0.02) == "0.02 s"
    assert spoken_duration(59.97) == "1 min 00 s"
    assert spoken_duration(3) == "3 s"
    assert spoken_duration(200) == "3 min 20 s"
    assert spoken_duration(3725) == "1 h 02 min"
