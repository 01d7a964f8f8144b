"""Preparing ends well or leaves nothing: limits, cancel, crashes, copies, the command."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest
from judges.clips import Clip
from judges.prepared import flv_of
from judges.recording import Recording, payload_md5
from judges.thinning import first

from playout.errors import (
    EncoderMismatch,
    PlayoutError,
    PrepareBusy,
    PrepareCancelled,
    PrepareLimitExceeded,
    SourceEmpty,
    SourceError,
    SourceIsImage,
    SourceIsPlaylist,
    SourceNotMedia,
    SourceTruncated,
)
from playout.media import MAX_MESSAGE_BYTES, VIDEO_PROFILES, TrackKind, VideoProfile
from playout.prepare import command, headers
from playout.prepare.encoder import Encoder
from playout.prepare.pictures import TagReader
from playout.prepare.plan import PRESETS, PrepareOptions, encoder_arguments, pipe_arguments
from playout.prepare.run import Progress, prepare
from playout.tracks.reader import Track

pytestmark = pytest.mark.integration

SMALL = VIDEO_PROFILES["480p30-economy"]
FAST = PrepareOptions(preset="ultrafast")
TRACKS = [
    "audio.index", "audio.track", "audio.verified", "video.index", "video.track", "video.verified",
]  # fmt: skip


def make(*arguments: str) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, timeout=120)


def children_of(pid: int) -> list[int]:
    """Running processes whose parent is `pid`, and theirs."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] not in "ZX":
            child = int(stat.parent.name)
            found += [child, *children_of(child)]
    return found


@pytest.fixture
def own_children_gone() -> Callable[[], bool]:
    before = set(children_of(os.getpid()))
    return lambda: set(children_of(os.getpid())) <= before


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source that takes long to prepare, but not to make."""
    path = tmp_path_factory.mktemp("endless") / "long.mp4"
    make("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=600", "-f", "lavfi", "-i",
         "sine=440:d=600:r=8000", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
         str(path))  # fmt: skip
    return path


# -- hostile files ------------------------------------------------------------------------------


def hostile(kind: str, path: Path, clip: Path) -> None:
    data = clip.read_bytes()
    if kind == "sparse":
        with path.open("wb") as file:
            file.truncate(3 << 30)
        return
    path.write_bytes(
        {
            "text": b"This is not a film.\n" * 50,
            "empty": b"",
            "image": b"\x89PNG\r\n\x1a\n" + bytes(99),
            "hls": b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
            "concat": b"ffconcat version 1.0\nfile 'file:///etc/passwd'\n",
            "cut": data[: len(data) * 2 // 3],
        }[kind]
    )


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("text", SourceNotMedia),
        ("empty", SourceEmpty),
        ("sparse", SourceEmpty),
        ("image", SourceIsImage),
        ("hls", SourceIsPlaylist),
        ("concat", SourceIsPlaylist),
        ("cut", SourceTruncated),
    ],
)
def test_a_hostile_file_leaves_nothing_behind(
    make_clip: Callable[[Clip], Path], tmp_path: Path, kind: str, error: type[Exception]
) -> None:
    path = tmp_path / "film.mp4"
    hostile(kind, path, make_clip(Clip()))
    with pytest.raises(error):
        prepare(path, SMALL, tmp_path / "out", options=FAST)

    assert not (tmp_path / "out").exists()


def test_a_film_that_is_rubbish_from_its_middle_on_leaves_nothing_behind(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    data = bytearray(make_clip(Clip(seconds=8, audio=None)).read_bytes())
    media, index = data.index(b"mdat") + 4, data.index(b"moov") - 4
    middle = (media + index) // 3
    data[middle:index] = bytes(index - middle)
    path = tmp_path / "film.mp4"
    path.write_bytes(data)

    with pytest.raises(SourceError):
        prepare(path, SMALL, tmp_path / "out", options=FAST)

    assert not (tmp_path / "out").exists()


def test_a_failed_preparation_keeps_what_was_there(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    prepare(make_clip(Clip()), SMALL, out, options=FAST)
    before = {name: (out / name).read_bytes() for name in TRACKS}

    with pytest.raises(PrepareLimitExceeded):
        small = PrepareOptions(preset="ultrafast", max_bytes=10_000)
        prepare(make_clip(Clip("green")), SMALL, out, options=small)

    assert sorted(path.name for path in out.iterdir()) == TRACKS
    assert {name: (out / name).read_bytes() for name in TRACKS} == before


# -- limits and cancelling ----------------------------------------------------------------------


def test_two_preparations_never_share_a_folder(
    make_clip: Callable[[Clip], Path], endless: Path, tmp_path: Path
) -> None:
    film, out = make_clip(Clip()), tmp_path / "out"
    refused: list[PrepareBusy] = []

    def ask() -> bool:
        if (out / ".video.track.part").exists() and not refused:
            with pytest.raises(PrepareBusy) as caught:
                prepare(film, SMALL, out, options=FAST)
            refused.append(caught.value)
        return bool(refused)

    with pytest.raises(PrepareCancelled):
        prepare(endless, SMALL, out, options=FAST, cancelled=ask)

    assert refused
    assert not out.exists()
    assert prepare(film, SMALL, out, options=FAST).frames == 90
    assert Track.open(out, TrackKind.VIDEO).frames == 90


@pytest.mark.parametrize("stage", ["measuring", "video"])
def test_cancelling_leaves_nothing_behind(
    endless: Path, tmp_path: Path, stage: str, own_children_gone: Callable[[], bool]
) -> None:
    stages: list[str] = []
    asked: list[float] = []

    def cancelled() -> bool:
        if stage in stages:
            asked.append(time.monotonic())
        return bool(asked)

    options = PrepareOptions(preset="ultrafast", normalise_loudness=stage == "measuring")
    with pytest.raises(PrepareCancelled):
        prepare(
            endless,
            SMALL,
            tmp_path / "out",
            options=options,
            on_progress=lambda progress: stages.append(progress.stage),
            cancelled=cancelled,
        )

    assert time.monotonic() - asked[0] < 2
    assert not (tmp_path / "out").exists()
    assert own_children_gone()


@pytest.mark.parametrize(
    "limit", [{"max_bytes": 200_000}, {"max_seconds": 1.0}, {"max_memory_bytes": 200 << 20}]
)
def test_a_limit_ends_it_and_leaves_nothing_behind(
    endless: Path, tmp_path: Path, limit: dict[str, int], own_children_gone: Callable[[], bool]
) -> None:
    options = PrepareOptions(preset="ultrafast", normalise_loudness=False, **limit)
    begun = time.monotonic()

    with pytest.raises(PrepareLimitExceeded):
        prepare(endless, SMALL, tmp_path / "out", options=options)

    assert time.monotonic() - begun < 10
    assert not (tmp_path / "out").exists()
    assert own_children_gone()


def test_a_full_disk_is_named_and_left_clean(endless: Path, tmp_path: Path) -> None:
    """The kernel refuses to let the file grow, as it does on a full disk or past a quota."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from playout.errors import PrepareOutOfSpace\n"
        "from playout.media import VIDEO_PROFILES\n"
        "from playout.prepare.plan import PrepareOptions\n"
        "from playout.prepare.run import prepare\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try:\n"
        "    prepare(Path(sys.argv[1]), VIDEO_PROFILES['480p30-economy'], Path(sys.argv[2]),\n"
        "            options=PrepareOptions(preset='ultrafast', normalise_loudness=False))\n"
        "except PrepareOutOfSpace as error:\n"
        "    print(error)\n"
    )
    arguments = [sys.executable, "-c", script, str(endless), str(tmp_path / "out")]

    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)

    assert "no space left" in done.stdout
    assert not (tmp_path / "out").exists()


def test_an_error_of_the_caller_ends_it_too(
    endless: Path, tmp_path: Path, own_children_gone: Callable[[], bool]
) -> None:
    def fail(progress: Progress) -> None:
        if progress.stage == "video":
            raise RuntimeError("the caller's own fault")

    with pytest.raises(RuntimeError, match="own fault"):
        prepare(endless, SMALL, tmp_path / "out", options=FAST, on_progress=fail)

    assert not (tmp_path / "out").exists()
    assert own_children_gone()


def test_no_encoder_outlives_a_killed_parent(endless: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from playout.media import VIDEO_PROFILES\n"
        "from playout.prepare.plan import PrepareOptions\n"
        "from playout.prepare.run import prepare\n"
        "told = lambda progress: print(progress.stage, flush=True)\n"
        "prepare(Path(sys.argv[1]), VIDEO_PROFILES['480p30-economy'], Path(sys.argv[2]),\n"
        "        options=PrepareOptions(preset='ultrafast'), on_progress=told)\n"
    )
    arguments = [sys.executable, "-c", script, str(endless), str(tmp_path / "out")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        for line in parent.stdout:
            if line.strip() == "video":
                break
        encoders = children_of(parent.pid)
        assert encoders
        parent.kill()
    deadline = time.monotonic() + 60
    while any(_runs(pid) for pid in encoders) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(_runs(pid) for pid in encoders)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_progress_goes_forward_to_the_end(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    told: list[Progress] = []

    prepare(make_clip(Clip()), SMALL, tmp_path, options=FAST, on_progress=told.append)

    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert stages == ["probing", "measuring", "video", "finishing"]
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)


# -- the encoder --------------------------------------------------------------------------------


def header_made_by(profile: VideoProfile, preset: str, source: str) -> bytes:
    tags = []
    reader = TagReader()
    shown = ["-f", "lavfi", "-i", source, "-frames:v", "4"]
    coding = encoder_arguments(profile, PrepareOptions(preset=preset))
    Encoder(wall_seconds=60).run(
        lambda pipes: [*shown, *coding, *pipe_arguments(pipes[0])],
        [lambda data: tags.extend(reader.feed(data))],
    )
    return next(tag.payload for tag in tags if tag.is_header)


@pytest.mark.parametrize("preset", first(2, PRESETS))
def test_every_preset_makes_the_golden_header(preset: str) -> None:
    source = f"testsrc2=s={SMALL.width}x{SMALL.height}:r={SMALL.fps}"

    assert header_made_by(SMALL, preset, source) == headers.video_header(SMALL)


@pytest.mark.parametrize(
    "name", first(2, ["1080p30", "720p60-economy", "vertical-480p25", "2160p50"])
)
def test_a_profile_makes_the_golden_header(name: str) -> None:
    profile = VIDEO_PROFILES[name]
    source = f"color=s={profile.width}x{profile.height}:r={profile.fps}"

    assert header_made_by(profile, "superfast", source) == headers.video_header(profile)


def test_another_header_is_refused(
    make_clip: Callable[[Clip], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if this were another release of the encoder: the golden bytes differ in one place."""
    golden = json.loads(headers.GOLDEN_FILE.read_text())
    golden["video"][SMALL.id] = golden["video"][SMALL.id][:-2] + "01"
    other = tmp_path / "golden.json"
    other.write_text(json.dumps(golden))
    monkeypatch.setattr(headers, "GOLDEN_FILE", other)
    headers._golden.cache_clear()
    try:
        with pytest.raises(EncoderMismatch, match="480p30-economy@1"):
            prepare(make_clip(Clip()), SMALL, tmp_path / "out", options=FAST)
    finally:
        headers._golden.cache_clear()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_noise_stays_within_the_rate_and_no_picture_is_too_large(tmp_path: Path) -> None:
    source = tmp_path / "noise.mkv"
    profile = VIDEO_PROFILES["1080p30"]
    make("-f", "lavfi", "-i", "nullsrc=s=480x270:r=30:d=3,geq=random(1)*255:128:128",
         "-c:v", "ffv1", str(source))  # fmt: skip

    result = prepare(source, profile, tmp_path, options=FAST)

    track = Track.open(tmp_path, TrackKind.VIDEO)
    sizes = [track.offsets[n + 1] - track.offsets[n] for n in range(track.frames)]
    assert max(sizes) < MAX_MESSAGE_BYTES
    kbps = 8 * track.layout.data_bytes / result.seconds / 1000
    assert kbps < 1.35 * profile.kbps  # One second of buffer in a clip of three.
    assert kbps > 0.5 * profile.kbps


# -- copying ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", first(1, [".mp4", ".flv", ".mkv"]))
def test_our_own_pictures_are_copied_not_encoded(
    make_clip: Callable[[Clip], Path], tmp_path: Path, suffix: str
) -> None:
    prepare(make_clip(Clip(seconds=5)), SMALL, tmp_path / "first", options=FAST)
    flv = flv_of(tmp_path / "first", tmp_path / "first.flv")
    source = tmp_path / f"again{suffix}"
    make("-i", str(flv), "-c", "copy", str(source))

    result = prepare(source, SMALL, tmp_path / "second", options=FAST)

    assert result.mode == "remux"
    assert result.frames == 150
    again = flv_of(tmp_path / "second", tmp_path / "second.flv")
    assert payload_md5(again, "video") == payload_md5(flv, "video")
    judged = Recording(again)
    assert len(judged.offsets()) == 4
    assert max(abs(offset.error_ms) for offset in judged.offsets()) < 23.3


@pytest.mark.parametrize("cut", [("-ss", "3"), ("-t", "3.5")])
def test_pictures_that_an_edit_list_hides_stay_hidden(
    make_clip: Callable[[Clip], Path], tmp_path: Path, cut: tuple[str, str]
) -> None:
    prepare(make_clip(Clip(seconds=5)), SMALL, tmp_path / "first", options=FAST)
    flv = flv_of(tmp_path / "first", tmp_path / "first.flv")
    whole, source = tmp_path / "whole.mp4", tmp_path / "trimmed.mp4"
    make("-i", str(flv), "-c", "copy", str(whole))
    make(*cut, "-i", str(whole), "-c", "copy", str(source))

    result = prepare(source, SMALL, tmp_path / "second", options=FAST)

    assert result.seconds == pytest.approx(2 if cut[0] == "-ss" else 3.5, abs=0.15)
    judged = Recording(flv_of(tmp_path / "second", tmp_path / "second.flv"))
    assert judged.offsets()
    assert max(abs(offset.error_ms) for offset in judged.offsets()) < 23.3


def test_pictures_with_our_header_in_another_order_are_encoded(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    source = tmp_path / "similar.mp4"
    coding = encoder_arguments(SMALL, FAST)
    place = coding.index("-x264-params") + 1
    coding[place] = coding[place].replace("keyint=60:min-keyint=60", "keyint=45:min-keyint=45")
    make("-i", str(make_clip(Clip())), "-vf", f"scale={SMALL.width}:{SMALL.height},setsar=1",
         *coding, "-color_range", "tv", str(source))  # fmt: skip

    result = prepare(source, SMALL, tmp_path / "out", options=FAST)

    assert result.mode == "encode"
    track = Track.open(tmp_path / "out", TrackKind.VIDEO)
    assert list(track.keys) == [0, 60]


# -- the command --------------------------------------------------------------------------------


def run_command(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="playout prepare")
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def test_the_command_prepares_and_says_so(
    make_clip: Callable[[Clip], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "-film").write_bytes(make_clip(Clip()).read_bytes())
    monkeypatch.chdir(tmp_path)
    chosen = ["--profile", "480p30-economy", "--preset", "ultrafast", "--no-loudness"]

    assert run_command(*chosen, "--out", "one", "--", "-film") == 0
    assert "Encoded 90 pictures (3 s" in capsys.readouterr().out
    assert run_command("./-film", *chosen, "--out", "two", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["frames"] == 90
    assert printed["profile"] == "480p30-economy@1"
    assert sorted(path.name for path in Path("two").iterdir()) == TRACKS


def test_the_command_explains_why_it_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("not a film")

    status = run_command(str(path), "--profile", "1080p30", "--out", str(tmp_path / "o"), "--json")

    printed = capsys.readouterr()
    assert status == 1
    assert json.loads(printed.out)["error"]["code"] == "source.not_media"
    assert "Upload a video or audio file" in printed.err
    assert run_command(str(path), "--profile", "nope", "--out", str(tmp_path / "o")) == 2
    assert "no profile called" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["taken", "taken/under", "dangling", "n" * 300])
def test_a_folder_that_cannot_be_written_is_named(
    make_clip: Callable[[Clip], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    out: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("a file")
    Path("dangling").symlink_to("nowhere")
    film = str(make_clip(Clip()))

    status = run_command(film, "--profile", "480p30-economy", "--out", out, "--json")

    printed = capsys.readouterr()
    assert status == 1
    assert json.loads(printed.out)["error"]["code"] == "prepare.out_unusable"
    assert out in printed.err


def test_names_cannot_steer_the_terminal(
    make_clip: Callable[[Clip], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"odd\xff\n\x1b[31m")
    chosen = ["--profile", "480p30-economy", "--preset", "ultrafast", "--out", name]

    assert run_command(name, *chosen) == 1
    assert run_command(str(make_clip(Clip())), *chosen) == 0

    printed = capsys.readouterr()
    for line in (printed.err, printed.out):
        assert line.removesuffix("\n").isprintable()
        line.encode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(endless: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "playout", "prepare", str(endless), "--profile", "1080p30",
         "--out", str(out), "--no-loudness", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (out / ".video.track.part").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (out / ".video.track.part").exists()

    process.send_signal(number)
    printed, said = process.communicate(timeout=30)

    assert process.returncode == 1
    assert json.loads(printed)["error"]["code"] == "prepare.cancelled"
    assert b"nothing was kept" in said
    assert not out.exists()


def test_a_terminal_sees_a_bar(
    make_clip: Callable[[Clip], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    arguments = ["--profile", "480p30-economy", "--preset", "ultrafast", "--out", str(tmp_path)]

    assert run_command(str(make_clip(Clip())), *arguments) == 0

    assert "video" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_errors_never_hold_what_a_file_wants_to_smuggle(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    path.write_bytes(b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\x1b[31m" * 99)

    with pytest.raises(PlayoutError) as caught:
        prepare(path, SMALL, tmp_path / "out", options=FAST)

    assert str(caught.value).isprintable()
