"""The encoder's bytes mean the same however the pipe splits them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playout.media import VIDEO_PROFILES
from playout.prepare.pictures import Picture, TagReader, repeated
from playout.prepare.plan import still_encode

TAGS = st.lists(
    st.tuples(st.sampled_from([8, 9, 18]), st.integers(0, 2**32 - 1), st.binary(min_size=2)),
    max_size=8,
)


@given(TAGS, st.lists(st.integers(1, 50)))
def test_tags_survive_any_split(tags: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    data = bytearray(b"FLV\x01\x01\0\0\0\x09\0\0\0\0")
    for kind, at, body in tags:
        stamp = at.to_bytes(4, "big")
        data += bytes([kind]) + len(body).to_bytes(3, "big") + stamp[1:] + stamp[:1] + bytes(3)
        data += body + (11 + len(body)).to_bytes(4, "big")
    reader, found = TagReader(), []

    for cut in [*cuts, len(data)]:
        found += reader.feed(bytes(data[:cut]))
        del data[:cut]

    assert [(tag.kind, tag.time_ms, tag.body) for tag in found] == tags


@given(st.integers(1, 3000), st.sampled_from(["480p24", "480p30", "480p60"]))
def test_repeated_stills_are_complete(frames: int, name: str) -> None:
    profile = VIDEO_PROFILES[name]
    gop = profile.gop_frames
    source = [
        Picture(bytes([n // gop % 2]), n, n % gop == 0)
        for n in range(still_encode(frames, profile))
    ]

    made = list(repeated(source, frames, gop))

    assert [picture.display_index for picture in made] == list(range(frames))
    assert [picture.avcc[0] for picture in made] == [n // gop % 2 for n in range(frames)]
