"""Whatever bytes come, judging them ends in an answer or in an error that says why."""

from __future__ import annotations

import contextlib
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from playout.errors import SourceError
from playout.probe.describe import fit_picture
from playout.probe.parse import Container, check_whole, sniff

HEADS = st.sampled_from(
    [b"", b"ID3", b"\xff\xfb\x90\0", b"\xff\xf1", b"RIFF", b"\x1a\x45\xdf\xa3", b"\0\0\0\x08moov",
     b"\0\0\0\x01mdat", b"G" + bytes(187), b"#EXTM3U", b"\xff\xfe", b"\xef\xbb\xbf"]
)  # fmt: skip


@given(HEADS, st.binary(max_size=2000))
def test_every_beginning_gets_an_answer(head: bytes, rest: bytes) -> None:
    with contextlib.suppress(SourceError):
        assert sniff(head + rest) in Container


@given(st.sampled_from(list(Container)), HEADS, st.binary(max_size=500))
def test_every_length_gets_an_answer(container: Container, head: bytes, rest: bytes) -> None:
    data = head + rest
    with contextlib.suppress(SourceError):
        check_whole(container, len(data), lambda at, count: data[at : at + count])


@given(
    st.fractions(min_value=Fraction(1, 100), max_value=100),
    st.integers(1, 2048).map(lambda half: 2 * half),
    st.integers(1, 2048).map(lambda half: 2 * half),
)
def test_a_picture_fits_into_its_frame(aspect: Fraction, width: int, height: int) -> None:
    fit = fit_picture(aspect, width, height)

    assert 2 <= fit.width <= width
    assert 2 <= fit.height <= height
    assert fit.left % 2 == fit.top % 2 == fit.width % 2 == fit.height % 2 == 0
    assert fit.left * 2 + fit.width <= width
    assert fit.top * 2 + fit.height <= height
    assert width in (fit.width, fit.width + 1) or height in (fit.height, fit.height + 1)
