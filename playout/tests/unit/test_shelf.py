"""Which tracks stay open."""

import pytest

from playout.errors import TrackNotFound
from playout.media import HOUSE_AUDIO, TrackKind
from playout.pump.shelf import Shelf
from playout.tracks.writer import TrackWriter


def write(directory, content=b"x"):
    with TrackWriter.audio(directory, HOUSE_AUDIO, b"\x12\x10") as writer:
        writer.add_frame(content)
        writer.finish()
    return str(directory)


def test_a_track_is_mapped_once(tmp_path):
    shelf, where = Shelf(), write(tmp_path)
    assert shelf.track(where, TrackKind.AUDIO) is shelf.track(where, TrackKind.AUDIO)


def test_a_track_that_was_prepared_again_is_opened_anew(tmp_path):
    shelf, where = Shelf(), write(tmp_path)
    old = shelf.track(where, TrackKind.AUDIO)
    write(tmp_path, b"other")
    assert shelf.track(where, TrackKind.AUDIO).body(0)[2:] == b"other"
    assert old.body(0)[2:] == b"x"


def test_a_track_with_bad_blocks_is_opened_anew_when_another_file_has_come_in_its_place(tmp_path):
    shelf, where = Shelf(), write(tmp_path)
    bad = shelf.track(where, TrackKind.AUDIO)
    bad.blocks.missing = frozenset({0})
    assert shelf.track(where, TrackKind.AUDIO) is bad
    file = tmp_path / "audio.track"
    (tmp_path / "copy").write_bytes(file.read_bytes())
    file.unlink()
    assert shelf.track(where, TrackKind.AUDIO) is bad, "what is mapped can still be sent"
    (tmp_path / "copy").rename(file)
    assert shelf.track(where, TrackKind.AUDIO).blocks.missing == frozenset()


def test_a_deleted_track_is_gone(tmp_path):
    shelf, where = Shelf(), write(tmp_path)
    shelf.track(where, TrackKind.AUDIO)
    (tmp_path / "audio.index").unlink()
    with pytest.raises(TrackNotFound):
        shelf.track(where, TrackKind.AUDIO)


def test_it_keeps_a_bounded_number(tmp_path):
    shelf = Shelf(kept=2)
    places = [write(tmp_path / name) for name in "abc"]
    first = shelf.track(places[0], TrackKind.AUDIO)
    for place in places:
        shelf.track(place, TrackKind.AUDIO)
    assert shelf.track(places[0], TrackKind.AUDIO) is not first
