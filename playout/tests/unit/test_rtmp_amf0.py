from __future__ import annotations

import pytest

from playout.errors import ProtocolViolation
from playout.rtmp import amf0
from playout.rtmp.amf0 import UNDEFINED, Date, EcmaArray

EXAMPLES: list[tuple[str, amf0.Value]] = [
    ("003ff0000000000000", 1.0),
    ("0100", False),
    ("0101", True),
    ("020003616263", "abc"),
    ("020000", ""),
    ("03000161004000000000000000000009", {"a": 2.0}),
    ("05", None),
    ("06", UNDEFINED),
    ("080000000100016105000009", EcmaArray({"a": None})),
    ("0a00000002050101", [None, True]),
    ("0b40590000000000000000", Date(100.0)),
]


@pytest.mark.parametrize(("data", "value"), EXAMPLES)
def test_every_type_has_its_bytes(data: str, value: amf0.Value) -> None:
    assert amf0.encode(value).hex() == data
    (back,) = amf0.decode(bytes.fromhex(data))
    assert back == value
    assert type(back) is type(value)


def test_long_text_takes_the_long_form() -> None:
    text = "ä" * 40_000
    data = amf0.encode(text)
    assert data[0] == 12
    assert amf0.decode(data) == [text]


def test_whole_numbers_are_written_as_numbers_and_truth_values_are_not() -> None:
    assert amf0.decode(amf0.encode(7, True)) == [7.0, True]


def test_the_announced_size_of_an_array_does_not_matter() -> None:
    data = bytearray(amf0.encode(EcmaArray({"a": 1.0, "b": 2.0})))
    data[1:5] = b"\xff\xff\xff\xff"
    assert amf0.decode(bytes(data)) == [{"a": 1.0, "b": 2.0}]


def test_text_that_is_not_utf8_is_still_text() -> None:
    assert amf0.decode(b"\x02\x00\x04caf\xe9") == ["caf\ufffd"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x00\x3f", "cut off: 8 bytes expected, 1 there"),
        (b"\x01", "cut off"),
        (b"\x02\x00\x05ab", "cut off"),
        (b"\x0c\xff\xff\xff\xffab", "cut off"),
        (b"\x0a\xff\xff\xff\xff", "cut off"),
        (b"\x03\x00\x01a", "cut off"),
        (b"\x03\x00\x00\x05", "empty key"),
        (b"\x04", "type 0x04"),
        (b"\x07\x00\x00", "type 0x07"),
        (b"\x0f\x00\x00\x00\x00", "type 0x0f"),
        (b"\x10", "type 0x10"),
        (b"\x11\x01", "type 0x11"),
        (b"\x0a\x00\x00\x00\x01" * 18, "deeper than 16"),
        (b"\x05" * 10_001, "more values"),
        (b"\x0a\x00\x00\xff\xff" + b"\x05" * 65_535, "more values"),
    ],
)
def test_it_refuses_bad_bytes(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolViolation, match=words):
        amf0.decode(data)


def test_limits_are_the_callers() -> None:
    nested = amf0.encode([[[1.0]]])
    assert amf0.decode(nested, max_depth=3) == [[[[1.0]]]]
    with pytest.raises(ProtocolViolation):
        amf0.decode(nested, max_depth=2)
    with pytest.raises(ProtocolViolation):
        amf0.decode(nested, max_values=3)


@pytest.mark.parametrize("value", [{"": 1}, {"k" * 65_536: 1}])
def test_it_does_not_write_keys_that_would_read_as_something_else(value: amf0.Value) -> None:
    with pytest.raises(ValueError):
        amf0.encode(value)


def test_it_does_not_write_what_it_would_not_read() -> None:
    endless: list[amf0.Value] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="deeper"):
        amf0.encode(endless)
    with pytest.raises(TypeError, match="bytes"):
        amf0.encode(b"abc")  # type: ignore[arg-type]
