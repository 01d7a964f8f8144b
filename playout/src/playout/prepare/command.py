"""`playout prepare`: makes tracks out of a file, with a progress bar on a terminal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from playout.errors import PlayoutError
from playout.media import VideoProfile, video_profile
from playout.prepare.plan import PRESETS, PrepareOptions
from playout.prepare.run import Prepared, Progress, prepare
from playout.probe.parse import spoken_duration
from playout.probe.stills import SUFFIXES

_BAR_WIDTH = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("file", type=Path, help="the file; write -- before a name that begins so")
    parser.add_argument("--profile", required=True, help="the house format, such as 1080p30")
    parser.add_argument("--out", required=True, type=Path, help="the folder for the tracks")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a sentence")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="medium",
        help="speed against quality of the encoder (default: %(default)s)",
    )
    parser.add_argument(
        "--no-loudness", action="store_true", help="leave the loudness as it is in the file"
    )


def run(args: argparse.Namespace) -> int:
    """Prepare; exit status 1 with a message when that fails or is interrupted."""
    options = PrepareOptions(preset=args.preset, normalise_loudness=not args.no_loudness)
    bar = _bar(sys.stderr)
    try:
        profile = video_profile(args.profile)
        prepared = prepare(
            args.file,
            profile,
            args.out,
            options=options,
            stills=args.file.suffix.lower() in SUFFIXES,
            on_progress=bar,
        )
    except PlayoutError as error:
        _end_line(bar)
        if args.json:
            _print({"error": {"code": error.code, "message": str(error)}})
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        _end_line(bar)
        sys.stderr.write("Interrupted; nothing was kept.\n")
        return 1
    _end_line(bar)
    if args.json:
        _print({**prepared.to_json(), "profile": profile.id, "out": str(args.out)})
    else:
        sys.stdout.write(f"{_sentence(prepared, profile, args.out)}\n")
    return 0


def _sentence(prepared: Prepared, profile: VideoProfile, out: Path) -> str:
    length = spoken_duration(prepared.seconds)
    size = f"{prepared.bytes / 1e6:.1f} MB"
    verb = "Copied" if prepared.mode == "remux" else "Encoded"
    said = f"{verb} {prepared.frames} pictures ({length}, {size}) for {profile.id} into {out}."
    return " ".join((said, *prepared.notes))


def _bar(stream: TextIO) -> Callable[[Progress], None] | None:
    if not stream.isatty():
        return None

    def show(progress: Progress) -> None:
        full = round(progress.fraction * _BAR_WIDTH)
        speed = f" {progress.speed:.1f}x" if progress.speed else ""
        stream.write(
            f"\r{progress.stage:<10} [{'#' * full}{'.' * (_BAR_WIDTH - full)}] "
            f"{progress.fraction:4.0%}{speed:<8}"
        )
        stream.flush()

    return show


def _end_line(bar: Callable[[Progress], None] | None) -> None:
    if bar is not None:
        sys.stderr.write("\n")


def _print(values: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(values, indent=2) + "\n")
