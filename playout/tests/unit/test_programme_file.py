"""Programme files: what they may say, and what is refused with a reason."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from playout.errors import ProgrammeError, TrackNotFound, TracksDisagree
from playout.media import video_profile
from playout.publisher import programme_file
from playout.testing.tracks import write_item


def write(directory: Path, text: str) -> Path:
    file = directory / "p.toml"
    file.write_text(text)
    return file


def test_all_keys_are_understood(tmp_path):
    for name in ("a", "b", "m", "f"):
        write_item(tmp_path, name, 60)
    file = write(
        tmp_path,
        """
        epoch = 2026-11-25T20:00:00+00:00
        loop = true
        seed = 7
        [[items]]
        path = "a"
        title = "First"
        weight = 3
        [[items]]
        path = "b"
        [[items]]
        path = "b"
        [[audio]]
        path = "m"
        weight = 2
        [[filler]]
        path = "f"
        """,
    )
    lists = programme_file.read(file)
    epoch = datetime(2026, 11, 25, 20, tzinfo=UTC)
    assert lists.epoch_ns == int(epoch.timestamp()) * 10**9
    made = programme_file.programme(lists, epoch_ns=lists.epoch_ns)
    version = made.versions[0]
    assert [(i.id, i.title, i.weight) for i in version.items] == [
        ("a", "First", 3), ("b", "b", 1), ("b#2", "b", 1),
    ]  # fmt: skip
    assert (version.loop, version.seed) == (True, 7)
    assert made.sound_versions[0].sounds[0].weight == 2
    assert [item.id for item in made.filler] == ["f"]


def test_shuffle_needs_no_seed_and_an_epoch_may_be_a_number(tmp_path):
    file = write(tmp_path, 'epoch = 1795000000000000001\nshuffle = true\n[[items]]\npath = "a"\n')
    lists = programme_file.read(file)
    assert (lists.seed, lists.epoch_ns) == (0, 1795000000000000001)
    assert programme_file.read(write(tmp_path, 'items = [{ path = "a" }]')).seed is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "cannot be read"),
        ("[[items]]\ntitle = 'x'", "a path each"),
        ("items = 3", "a path each"),
        ("[[items]]\npath = 'a'\nweight = 0", "weight"),
        ("[[items]]\npath = 'a'\nweight = '2'", "weight"),
        ("epoch = 'soon'\n[[items]]\npath = 'a'", "not an instant"),
        ("epoch = 2026-01-01T00:00:00\n[[items]]\npath = 'a'", "not an instant"),
        ("epoch = -1\n[[items]]\npath = 'a'", "not an instant"),
        ("seed = 'x'\n[[items]]\npath = 'a'", "seed"),
        ("itmes = []", "itmes"),
        ("loop = tru", "line 1, column 8"),
        ("a = " + "[" * 3000 + "]" * 3000, "cannot be read"),
        ("[[items]]\npath = 'a'\nwieght = 3", "number 1 of the items"),
        ("[[items]]\npath = 'a'\n[[items]]\ntitle = 'x'", "number 2 of the items"),
        ("[[items]]\npath = 'a'\n[[audio]]\ntitle = 'x'", "number 1 of the audio"),
        ("[[items]]\npath = ''", "path of number 1"),
        ("[[items]]\npath = 5", "path of number 1"),
        ('[[items]]\npath = "a\\u0000b"', "path of number 1"),
        ("[[items]]\npath = 'a'\ntitle = 5", "title of number 1"),
        ("loop = 'false'\n[[items]]\npath = 'a'", "loop"),
        ("shuffle = 'no'\n[[items]]\npath = 'a'", "shuffle"),
        ("epoch = 1769860800\n[[items]]\npath = 'a'", "not an instant"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, words):
    with pytest.raises(ProgrammeError) as caught:
        programme_file.read(write(tmp_path, text))
    assert words.lower() in str(caught.value).lower()


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path):
    file = tmp_path / "p.toml"
    file.write_bytes(b"[[items]]\npath = 'caf\xe9'\n")
    with pytest.raises(ProgrammeError, match="not UTF-8"):
        programme_file.read(file)
    with pytest.raises(ProgrammeError, match="No such file"):
        programme_file.read(tmp_path / "other.toml")


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path):
    file = tmp_path / "p.toml"
    file.write_bytes(b"\xef\xbb\xbf[[items]]\r\npath = 'a'\r\n")
    assert [entry.name for entry in programme_file.read(file).items] == ["a"]


def test_tracks_are_opened_before_anything_goes_on_air(tmp_path):
    write_item(tmp_path, "a", 60)
    write_item(tmp_path, "b", 60, profile=video_profile("720p30"))
    both = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(TracksDisagree):
        programme_file.programme(programme_file.of_paths(both, [], loop=True), epoch_ns=0)
    gone = [tmp_path / "a", tmp_path / "gone"]
    with pytest.raises(TrackNotFound):
        programme_file.programme(programme_file.of_paths(gone, [], loop=True), epoch_ns=0)
    with pytest.raises(ProgrammeError):
        programme_file.programme(programme_file.of_paths([], [], loop=True), epoch_ns=0)


def test_the_cache_is_where_the_system_wants_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert programme_file.cache_directory() == tmp_path / "playout"
