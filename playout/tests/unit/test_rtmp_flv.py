from __future__ import annotations

import pytest

from playout.rtmp import flv


def test_the_header_says_what_the_file_holds() -> None:
    assert flv.file_header().hex() == "464c5601050000000900000000"
    assert flv.file_header(has_video=False)[4] == 4
    assert flv.file_header(has_audio=False)[4] == 1


def test_the_top_byte_of_the_time_goes_behind_the_others() -> None:
    tag = flv.encode_tag(flv.TagType.VIDEO, 0x12345678, b"\x17\x00")
    assert tag.hex() == "090000023456781200000017000000000d"


def test_time_wraps_at_32_bits() -> None:
    assert flv.encode_tag(8, 2**32 + 5, b"") == flv.encode_tag(8, 5, b"")


def test_it_refuses_a_payload_beyond_the_length_field() -> None:
    with pytest.raises(ValueError, match="longer than FLV"):
        flv.encode_tag(9, 0, bytes(1 << 24))


@pytest.mark.parametrize(
    ("body", "key", "header"),
    [
        (b"\x17\x01\x00\x00\x00data", True, False),
        (b"\x27\x01\x00\x00\x00data", False, False),
        (b"\x17\x00\x00\x00\x00config", False, True),
        (b"\x17\x02\x00\x00\x00", False, False),
        (b"\x17", False, False),
        (b"\x12h263", True, False),
        (b"\x92hvc1", False, False),
        (b"\x93hvc1data", True, False),
        (b"\x90hvc1config", False, True),
        (b"\x91hvc1data", True, False),
        (b"\xa1hvc1data", False, False),
        (b"", False, False),
    ],
)
def test_it_tells_key_frames_and_headers_apart(body: bytes, key: bool, header: bool) -> None:
    assert flv.is_key_frame(body) is key
    assert flv.is_video_header(body) is header


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (b"\xaf\x00\x12\x10", True),
        (b"\xaf\x01data", False),
        (b"\x90mp4aconfig", True),
        (b"\x91mp4adata", False),
        (b"\x2fmp3", False),
        (b"", False),
    ],
)
def test_it_knows_the_header_of_sound(body: bytes, header: bool) -> None:
    assert flv.is_audio_header(body) is header
