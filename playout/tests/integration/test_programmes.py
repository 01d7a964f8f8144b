"""Radio mode, two legs, edits on air and times near their limits, as strangers received them."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from judges.airing import Air, Track, prepare
from judges.clips import Clip, ClipShelf
from judges.listener import FfmpegListener
from judges.nginx import NginxRtmp
from judges.payload import check_follows
from judges.recording import Recording
from judges.tools import wait_until

from playout import clock
from playout.errors import PlayoutError
from playout.media import HOUSE_AUDIO, TrackKind
from playout.publisher.address import parse_address
from playout.publisher.output import Output, OutputOptions
from playout.pump.aired import Substitution
from playout.pump.shelf import Shelf
from playout.timebase import frame_at_ns, frame_ms
from playout.timeline import edits
from playout.timeline.programme import Item, Programme, Sound, SoundVersion, Version
from playout.tracks.reader import Track as TrackReader

pytestmark = pytest.mark.integration

KEY = "programme-key-19c4"
# Lengths that fit no grid: of frames, of groups, of AAC frames.
SOURCES = {
    "red": Clip("red", 440, seconds=1.04),
    "green": Clip("green", 660, seconds=2.37),
    "blue": Clip("blue", 880, seconds=3.31),
    "yellow": Clip("yellow", 550, seconds=4.7),
}  # fmt: skip


@pytest.fixture(scope="module")
def tracks(make_clip: ClipShelf, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Track]:
    root = tmp_path_factory.mktemp("tracks")
    return {name: prepare(make_clip(clip), clip, root / name) for name, clip in SOURCES.items()}


@pytest.fixture
def items(tracks: dict[str, Track]) -> dict[str, Item]:
    return {
        name: Item(name, str(track.directory), str(track.directory), track.frames, name)
        for name, track in tracks.items()
    }


@pytest.fixture
def sounds(tracks: dict[str, Track]) -> dict[str, Sound]:
    found = {}
    for name, track in tracks.items():
        content = TrackReader.open(track.directory, TrackKind.AUDIO).description.content_frames
        found[name] = Sound(name, str(track.directory), content, name)
    return found


@pytest.fixture
def start() -> Iterator[Callable[..., Air]]:
    running: list[Air] = []

    def begin(url: str, tracks: list[Track], *options: str) -> Air:
        running.append(Air(url, tracks, *options))
        return running[-1]

    yield begin
    for air in running:
        air.close()


class Quiet:
    """A listener that keeps what should not happen."""

    def __init__(self) -> None:
        self.trouble: list[object] = []
        self.connections = 0

    def connecting(self) -> None:
        self.connections += 1

    def acknowledged(self) -> None: ...
    def slow(self) -> None: ...
    def ended(self) -> None: ...

    def lost(self, error: PlayoutError, retry_seconds: float) -> None:
        self.trouble.append(error)

    def missing(self, error: PlayoutError) -> None:
        self.trouble.append(error)

    def wrong(self, error: PlayoutError) -> None:
        self.trouble.append(error)

    def substituted(self, substitution: Substitution) -> None:
        self.trouble.append(substitution)


def programme_of(*items: Item, epoch_ns: int | None = None, **values) -> Programme:
    first = TrackReader.open(Path(items[0].video), TrackKind.VIDEO).description
    return Programme(
        clock.utc_ns() if epoch_ns is None else epoch_ns, first.rate, HOUSE_AUDIO.rate,
        (Version(1, 0, items),), profile=first.profile, **values,
    )  # fmt: skip


async def air_for(seconds: float, *outputs: Output) -> None:
    running = [asyncio.create_task(output.run()) for output in outputs]
    await asyncio.sleep(seconds)
    for output in outputs:
        output.stop()
    await asyncio.wait_for(asyncio.gather(*running), 60)


async def radio_on_two_receivers(
    plan: Programme, seconds: float, nginx: NginxRtmp, listener: FfmpegListener
) -> None:
    quiet = Quiet()
    options = OutputOptions(start_on_connect=True)
    await air_for(
        seconds,
        Output(parse_address(nginx.url(KEY)), plan, Shelf(), quiet, options=options),
        Output(parse_address(listener.url), plan, Shelf(), quiet, options=options),
    )
    assert quiet.trouble == []
    assert quiet.connections == 2
    listener.wait_for_end()
    nginx.wait_for_end()


@pytest.mark.slow
async def test_radio_mode_is_exact_over_joins_of_awkward_lengths(
    items: dict[str, Item], sounds: dict[str, Sound], nginx_rtmp: NginxRtmp,
    ffmpeg_listener: FfmpegListener,
) -> None:  # fmt: skip
    songs = (sounds["green"], sounds["red"], sounds["blue"])
    plan = programme_of(items["red"], sound_versions=(SoundVersion(1, 0, songs),))
    await radio_on_two_receivers(plan, 14, nginx_rtmp, ffmpeg_listener)
    for recording in (nginx_rtmp.recording(), ffmpeg_listener.recording()):
        check_follows(recording, plan)
        assert recording.decode_errors == []
        assert len(recording.video) >= 12 * items["red"].frames


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_radio_mode_is_exact_over_forty_joins_of_a_loop_of_seven_seconds(
    make_clip: ClipShelf, tmp_path: Path, sounds: dict[str, Sound], nginx_rtmp: NginxRtmp,
    ffmpeg_listener: FfmpegListener,
) -> None:  # fmt: skip
    clip = Clip("cyan", 330, fps="30000/1001", seconds=7.007)
    track = prepare(make_clip(clip), clip, tmp_path / "loop")
    loop = Item("loop", str(track.directory), str(track.directory), track.frames)
    songs = (sounds["green"], sounds["yellow"], sounds["blue"])
    plan = programme_of(loop, sound_versions=(SoundVersion(1, 0, songs),))
    await radio_on_two_receivers(plan, 41 * 7.01 + 2, nginx_rtmp, ffmpeg_listener)
    for recording in (nginx_rtmp.recording(), ffmpeg_listener.recording()):
        check_follows(recording, plan)
        assert recording.decode_errors == []
        assert len(recording.video) >= 40 * track.frames


def write_programme(path: Path, tracks: list[Track], head: str = "", **lists: list[Track]) -> Path:
    text = [head]
    for name, entries in {"items": tracks, **lists}.items():
        for track in entries:
            text.append(f'[[{name}]]\npath = "{track.directory}"\ntitle = "{track.clip.colour}"\n')
    part = path.with_name(".part")
    part.write_text("\n".join(text))
    part.rename(path)
    return path


def test_two_publishers_started_apart_send_equal_frames_at_equal_times(
    tracks: dict[str, Track], tmp_path: Path, start: Callable[..., Air]
) -> None:
    epoch = datetime.fromtimestamp(clock.utc_ns() // 10**9 - 100_000, UTC).isoformat()
    chosen = [tracks["green"], tracks["blue"], tracks["red"]]
    file = write_programme(
        tmp_path / "p.toml", chosen, f"epoch = {epoch}\nloop = true\nshuffle = true\nseed = 5\n"
    )
    listeners = [FfmpegListener(tmp_path, absolute=True) for _ in range(2)]
    try:
        first = start(listeners[0].url, [], "--programme", str(file))
        time.sleep(7)
        second = start(listeners[1].url, [], "--programme", str(file))
        second.wait_for("on_air")
        time.sleep(6)
        for air in (first, second):
            assert air.stop() == 0, air.text
        for listener in listeners:
            listener.wait_for_end()
        legs = [listener.recording() for listener in listeners]
        for kind in ("video", "audio"):
            carried = [
                dict(zip((p.dts for p in getattr(leg, kind)), leg.payload_md5(kind), strict=True))
                for leg in legs
            ]
            both = carried[0].keys() & carried[1].keys()
            later = [ms for ms in carried[1] if ms <= max(carried[0])]
            # Nothing was subtracted: the later leg's times are among the earlier one's.
            assert set(later) <= both
            assert len(both) > (150 if kind == "video" else 200)
            assert all(carried[0][ms] == carried[1][ms] for ms in both)
            assert min(carried[1]) - min(carried[0]) > 4000
            assert min(carried[0]) > 99_000_000
    finally:
        for listener in listeners:
            listener.close()


async def random_edits(
    count: int, seconds: float, items: dict[str, Item], nginx: NginxRtmp, seed: int
) -> tuple[Programme, Quiet]:
    chance, quiet = random.Random(seed), Quiet()
    names = list(items)
    plan = programme_of(*(items[name] for name in ("green", "blue", "yellow")))
    output = Output(
        parse_address(nginx.url(KEY)), plan, Shelf(), quiet,
        options=OutputOptions(start_on_connect=True),
    )  # fmt: skip
    running = asyncio.create_task(output.run())
    while output.progress is None or not output.progress.connected_ns:
        await asyncio.sleep(0.02)
    made = 0
    for _ in range(count):
        await asyncio.sleep(seconds * chance.uniform(0.5, 1.5))
        at = frame_at_ns((output.now_ms() + 2500) * 1_000_000, plan.video_rate)
        new = [items[name] for name in chance.sample(names, chance.randint(1, 4))]
        versions = chance.choice(
            [
                lambda p, a, n: edits.skip(p, at_frame=a),
                lambda p, a, n: edits.jump(p, at_frame=a, entry=0),
                lambda p, a, n: edits.play_next(p, at_frame=a, item=n[0]),
                lambda p, a, n: edits.swap(p, at_frame=a, items=n),
                lambda p, a, n: edits.swap(p, at_frame=a, items=n, at="key"),
                lambda p, a, n: edits.follow(p, at_frame=a, items=n),
                lambda p, a, n: edits.follow(p, at_frame=a, items=n, seed=a),
            ]
        )(output.programme, at, new)
        made += bool(versions)
        output.replace_programme(edits.appended(output.programme, versions))
    await asyncio.sleep(4)
    output.stop()
    await asyncio.wait_for(running, 60)
    nginx.wait_for_end()
    assert made >= count // 2
    return output.programme, quiet


@pytest.mark.parametrize(
    ("count", "seconds"), [(12, 0.7), pytest.param(100, 1.1, marks=pytest.mark.slow)]
)
async def test_random_edits_are_recorded_as_resolved_on_one_connection(
    count: int, seconds: float, items: dict[str, Item], nginx_rtmp: NginxRtmp
) -> None:
    plan, quiet = await random_edits(count, seconds, items, nginx_rtmp, seed=count)
    assert quiet.trouble == []
    assert nginx_rtmp.connections == nginx_rtmp.publishers == quiet.connections == 1
    recording = nginx_rtmp.recording()
    check_follows(recording, plan)
    assert recording.decode_errors == []


LIMITS = {"2^24": 1 << 24, "2^31": 1 << 31, "2^32": 1 << 32}


@pytest.mark.slow
async def test_times_go_past_the_limits_of_their_fields(
    items: dict[str, Item], tmp_path: Path, nginx_rtmp: NginxRtmp
) -> None:
    quiet, outputs, listeners, plans = Quiet(), [], {}, {}
    try:
        for name, limit in LIMITS.items():
            listeners[name] = FfmpegListener(tmp_path, key=f"k{limit}")
            epoch_ns = clock.utc_ns() - (limit - 6000) * 1_000_000
            plans[name] = programme_of(items["green"], items["blue"], epoch_ns=epoch_ns)
            for url in (nginx_rtmp.url(f"key-{limit}"), listeners[name].url):
                outputs.append(
                    Output(
                        parse_address(url), plans[name], Shelf(), quiet,
                        options=OutputOptions(rotate_after=None),
                    )
                )  # fmt: skip
        await air_for(11, *outputs)
        assert quiet.trouble == []
        nginx_rtmp.wait_for_end(sessions=3)
        for listener in listeners.values():
            listener.wait_for_end()
        for name, limit in LIMITS.items():
            (file,) = nginx_rtmp.recordings_dir.glob(f"key-{limit}*.flv")
            for recording in (Recording(file), listeners[name].recording()):
                begin = frame_at_ns((limit - 6500) * 1_000_000, plans[name].video_rate)
                check_follows(recording, plans[name], since=begin, sought=200)
                assert len(recording.video) > 300
                assert recording.decode_errors == []
    finally:
        for listener in listeners.values():
            listener.close()


def test_the_file_is_edited_and_the_air_follows_on_the_same_connection(
    tracks: dict[str, Track], tmp_path: Path, nginx_rtmp: NginxRtmp, start: Callable[..., Air]
) -> None:
    file = write_programme(tmp_path / "p.toml", [tracks["green"], tracks["red"]], "loop = true\n")
    air = start(nginx_rtmp.url(KEY), [], "--programme", str(file))
    air.wait_for("on_air")
    file.write_text("loop = true\n[[items]]\npath = 'nowhere'\n")
    air.wait_for("edit_refused")
    assert "goes on unchanged" in air.events("edit_refused")[0]["text"]
    write_programme(file, [tracks["blue"]], "loop = true\n")
    air.wait_for("edited")
    seen = nginx_rtmp.recorded_bytes()
    wait_until(lambda: nginx_rtmp.recorded_bytes() > seen, what="more media")
    air.wait_for("status", count=len(air.events("status")) + 9)
    assert air.events("status")[-1]["item"] == "blue"
    assert air.stop() == 0
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()
    assert nginx_rtmp.connections == 1
    assert set(recording.video_deltas) == {33, 34}
    colours = [stretch.colour for stretch in recording.stretches]
    assert colours[-1] == "blue"
    blue = colours.index("blue")
    assert set(colours[:blue]) == {"green", "red"}
    # The item that was on air was not cut.
    last = recording.stretches[blue - 1]
    assert last.frames == tracks[last.colour].frames


def test_a_reading_of_the_file_tells_what_of_it_is_another_one(
    tracks: dict[str, Track], tmp_path: Path, nginx_rtmp: NginxRtmp, start: Callable[..., Air]
) -> None:
    file = tmp_path / "p.toml"

    def write(**lists: str) -> None:
        entries = [f"[[{key}]]\npath = '{tracks[name].directory}'\n" for key, name in lists.items()]
        file.write_text("loop = true\n" + "".join(entries))

    write(items="green")
    air = start(nginx_rtmp.url(KEY), [], "--programme", str(file))
    air.wait_for("status")
    assert "sound" not in air.events("status")[-1]

    write(items="green", audio="red")
    air.wait_for("edited")
    told = air.events("edited")[-1]
    assert "the sound is a list of its own at once" in told["text"]
    assert told["sound"] == {"version": 1, "effective_from": 0, "items": 1}
    air.wait_for("status", count=len(air.events("status")) + 1)
    status = air.events("status")[-1]
    assert (status["item"], status["sound"]) == ("green", "red")
    assert "red  over green" in status["text"]

    write(items="green", audio="blue")
    air.wait_for("edited", count=2)
    told = air.events("edited")[-1]
    assert (told["version"], told["sound"]["version"]) == (1, 2)
    assert "version 2 of the sound is on air in " in told["text"]
    assert "version 1" not in told["text"]

    os.kill(air.pid, signal.SIGHUP)
    air.wait_for("edited", count=3)
    assert "nothing in it has changed" in air.events("edited")[-1]["text"]

    write(items="green", filler="red")
    air.wait_for("edited", count=4)
    told = air.events("edited")[-1]
    assert "each item has its own sound again at once" in told["text"]
    assert "the filler is another one at once" in told["text"]
    assert "sound" not in told


def test_whatever_is_lost_the_slate_is_shown(
    tracks: dict[str, Track], tmp_path: Path, nginx_rtmp: NginxRtmp, start: Callable[..., Air]
) -> None:
    directory = tmp_path / "only"
    shutil.copytree(tracks["green"].directory, directory)
    air = start(nginx_rtmp.url(KEY), [Track(directory, tracks["green"].clip, 0)], "--loop")
    air.wait_for("on_air")
    shutil.rmtree(directory)
    air.wait_for("substituted")
    assert air.events("substituted")[0]["rung"] == "slate"
    air.wait_for("status", count=len(air.events("status")) + 5)
    assert air.stop() == 0
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()
    assert set(recording.video_deltas) == {33, 34}
    assert set(recording.audio_deltas) <= {23, 24}
    assert recording.decode_errors == []
    last = recording.pictures[-1].rgb
    assert max(abs(a - b) for a, b in zip(last, (28, 38, 48), strict=True)) < 40
    assert frame_ms(len(recording.video), HOUSE_AUDIO.rate) > 0
