"""`playout bench density`: what a stream costs here, beside what it costs others."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from playout.bench.density import DensityOptions, measure_density
from playout.bench.receiver import SMALLEST_CHUNK
from playout.rtmp.chunks import MAX_CHUNK_SIZE

_Number = TypeVar("_Number", int, float)
_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `density` and its options."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    density = kinds.add_parser(
        "density",
        help="CPU and memory of many streams",
        description="Measure CPU, memory and lateness of the pump, of ffmpeg copying the same clip "
        "and of a bare C sender, one after the other, towards a receiver on this machine.",
    )
    density.add_argument("--streams", type=_count, default=20, metavar="N")
    density.add_argument("--seconds", type=_seconds, default=20.0, metavar="S", help="per engine")
    density.add_argument("--tls", action="store_true", help="over RTMPS")
    density.add_argument(
        "--peer", choices=("ffmpeg", "none"), default="ffmpeg", help="(default: %(default)s)"
    )
    density.add_argument(
        "--unique-media", type=_bytes, default=0, metavar="BYTES",
        help="distinct media in all (such as 12G), forgotten by the page cache before the run",
    )  # fmt: skip
    density.add_argument(
        "--receiver-chunk-size", type=_chunk_size, default=SMALLEST_CHUNK, metavar="BYTES",
        help="chunks that the receiver announces, which ffmpeg adopts and the pump does not "
        "(default: %(default)s, which is RTMP's own; YouTube is known to announce 256)",
    )  # fmt: skip
    density.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _count(text: str) -> int:
    value = _number(text, int)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _chunk_size(text: str) -> int:
    value = _count(text)
    if value > MAX_CHUNK_SIZE:
        raise argparse.ArgumentTypeError(f"must be no more than {MAX_CHUNK_SIZE}")
    return value


def _seconds(text: str) -> float:
    value = _number(text, float)
    if not 1 <= value <= 86_400:
        raise argparse.ArgumentTypeError("must be between 1 and 86400")
    return value


def _bytes(text: str) -> int:
    unit = _UNITS.get(text[-1:].lower(), 1)
    value = _number(text[:-1], float) * unit if unit > 1 else _number(text, int)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes, such as 12G")
    return int(value)


def _number(text: str, kind: Callable[[str], _Number]) -> _Number:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number that fits here") from None


def run(args: argparse.Namespace) -> int:
    """Measure and print; raises `PlayoutError` when that fails."""
    options = DensityOptions(
        streams=args.streams,
        seconds=args.seconds,
        tls=args.tls,
        with_ffmpeg=args.peer == "ffmpeg",
        receiver_chunk_size=args.receiver_chunk_size,
        unique_media_bytes=args.unique_media,
    )
    found = measure_density(options, _say)
    print(json.dumps(found, indent=2) if args.json else table(found))
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def table(found: dict[str, Any]) -> str:
    """The figures for people."""
    rows = [f"{'engine':<10}{'streams':>8}{'CPU ms/stream-s':>17}{'KB/stream':>11}{'Mbit/s':>8}"]
    for name in ("pump", "ffmpeg", "c_sender"):
        part = found[name]
        if part is not None:
            rows.append(
                f"{name:<10}{part.get('streams', found['streams']):>8}"
                f"{part['cpu_ms_per_stream_second']:>17.3f}"
                f"{part['private_kb_per_stream']:>11.0f}{part['mbps_per_stream']:>8.2f}"
            )
    late = found["pump"]["late_ms"]
    if found.get("unique_media"):
        rows.append(
            f"unique media: {found['unique_media'] / 1e9:.1f} GB, "
            f"{found['pump']['disk_mb_per_second']:g} MB/s from the disk"
        )
    rows.append(f"late: p50 {late['p50']} ms, p99 {late['p99']} ms, max {late['max']} ms")
    if found["ratio_to_ffmpeg"] is not None:
        rows.append(f"ffmpeg takes {found['ratio_to_ffmpeg']:g} times the CPU of the pump")
    if found["ratio_to_c"] is not None:
        rows.append(f"the pump takes {found['ratio_to_c']:g} times the CPU of bare C")
    if found.get("ratio_to_c_in_rhythm") is not None:
        rows.append(
            f"bare C that sends as seldom as the pump in a crowd: {found['ratio_to_c_in_rhythm']:g}"
        )
    return "\n".join(rows)
