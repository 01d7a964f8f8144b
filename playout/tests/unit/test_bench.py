"""The arithmetic of measurements, and the media they send."""

from __future__ import annotations

import argparse
import json
import mmap
import os
import time
from fractions import Fraction
from pathlib import Path

import pytest

from playout import clock
from playout.bench.command import add_arguments, table
from playout.bench.density import DensityOptions, doubts, result
from playout.bench.media import Media
from playout.bench.peers import figures
from playout.bench.usage import Usage, read_usage
from playout.media import video_profile


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["density", *arguments])


def test_cost_is_counted_for_each_second_of_a_stream() -> None:
    before = Usage(at_ns=10**9, cpu_seconds=3.0, private_kb=999)
    after = Usage(at_ns=11 * 10**9, cpu_seconds=5.0, private_kb=4000)
    assert figures(before, after, received_bytes=50_000_000, streams=20) == {
        "cpu_ms_per_stream_second": 10.0,
        "private_kb_per_stream": 200.0,
        "mbps_per_stream": 2.0,
    }


def test_usage_counts_the_cpu_and_the_memory_of_a_process() -> None:
    before = read_usage(os.getpid())
    # Pages of its own: an allocator may have some left over.
    held = mmap.mmap(-1, 30_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    held.write(os.urandom(1) * 30_000_000)
    spun = time.process_time() + 0.3
    while time.process_time() < spun:
        pass
    after = read_usage(os.getpid())
    assert len(held) == 30_000_000
    assert 0.2 < after.cpu_seconds - before.cpu_seconds < 2
    assert after.private_kb - before.private_kb > 25_000
    assert before.at_ns < after.at_ns <= clock.monotonic_ns()


def test_usage_of_a_process_that_has_gone_is_an_error() -> None:
    with pytest.raises(OSError):
        read_usage(2**22 + 1)


def engine(cost: float) -> dict[str, float | int]:
    return {
        "cpu_ms_per_stream_second": cost,
        "private_kb_per_stream": 1.0,
        "mbps_per_stream": 4.6,
    }


def test_the_result_has_the_promised_shape_and_ratios() -> None:
    late = {"p50": 0.5, "p99": 1.0, "max": 2.0}
    found = result(
        DensityOptions(streams=500, seconds=10),
        {**engine(0.25), "late_ms": late},
        {"streams": 20, **engine(15.0)},
        {"streams": 500, **engine(0.125)},
    )
    assert list(found) == [
        "streams", "tls", "pump", "ffmpeg", "c_sender", "ratio_to_ffmpeg", "ratio_to_c",
    ]  # fmt: skip
    assert found["streams"] == 500
    assert found["tls"] is False
    assert found["ratio_to_ffmpeg"] == 60.0
    assert found["ratio_to_c"] == 2.0
    assert json.loads(json.dumps(found)) == found
    assert "60 times" in table(found)


def test_an_engine_that_was_not_measured_has_no_ratio() -> None:
    late = {"p50": 0.5, "p99": 1.0, "max": 2.0}
    pump = {**engine(0.25), "late_ms": late}
    found = result(DensityOptions(streams=1, seconds=1, tls=True), pump, None, None)
    assert found["ffmpeg"] is found["c_sender"] is None
    assert found["ratio_to_ffmpeg"] is found["ratio_to_c"] is None
    assert "ffmpeg" not in table(found)


def test_an_engine_that_did_not_keep_up_is_doubted() -> None:
    assert doubts({**engine(1.0), "mbps_per_stream": 2.99}, 4.66).startswith("only 2.99 of 4.66")
    assert doubts({**engine(1.0), "mbps_per_stream": 4.6}, 4.66) == ""
    assert doubts(None, 4.66) == ""


def test_the_options_are_those_of_the_reference() -> None:
    args = parse(
        "--streams", "500", "--seconds", "30", "--tls", "--peer", "ffmpeg",
        "--unique-media", "900000000", "--json",
    )  # fmt: skip
    assert (args.streams, args.seconds, args.tls, args.json) == (500, 30.0, True, True)
    assert args.peer == "ffmpeg"
    assert args.unique_media == 900_000_000
    assert parse("--unique-media", "1.5G").unique_media == 1_500_000_000


@pytest.mark.parametrize(
    "wrong",
    [
        ("--streams", "0"),
        ("--seconds", "0"),
        ("--unique-media", "-1"),
        ("--streams", "many"),
        ("--seconds", "nan"),
        ("--seconds", "soon"),
        ("--unique-media", "infG"),
        ("--unique-media", "nanG"),
        ("--unique-media", "1e400G"),
        ("--unique-media", "G"),
        ("--receiver-chunk-size", "99999999"),
    ],
)
def test_senseless_options_are_wrong_usage(
    wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(*wrong)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert wrong[0] in said
    assert "invalid _" not in said


def test_streams_share_out_the_copies_of_the_media() -> None:
    copies = tuple(Path(f"/media/{n}") for n in range(3))
    media = Media(Path("/media/clip.mp4"), copies, 600, video_profile("1080p30"), 4.66)
    programmes = [media.programme(n, epoch_ns=n) for n in range(4)]
    assert [p.versions[0].items[0].video for p in programmes] == [
        "/media/0", "/media/1", "/media/2", "/media/0",
    ]  # fmt: skip
    shares = [media.programme(n, 1, epoch_ns=n).versions[0].items for n in range(1)]
    assert [item.video for item in shares[0]] == ["/media/0", "/media/1", "/media/2"]
    assert programmes[0].video_rate == Fraction(30)
    assert programmes[0].versions[0].loop
