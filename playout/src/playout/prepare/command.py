"""`playout prepare`: makes tracks out of a file, with a progress bar on a terminal."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from playout.errors import PlayoutError, PrepareCancelled, UnknownProfile
from playout.lines import printable
from playout.media import VideoProfile, video_profile
from playout.prepare.plan import PRESETS, PrepareOptions
from playout.prepare.run import Prepared, Progress, prepare
from playout.probe.parse import spoken_duration
from playout.probe.stills import SUFFIXES

_BAR_WIDTH = 30
_INTERRUPTED = "Interrupted; nothing was kept."


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
    """Prepare; exit status 1 with a message when that fails or is interrupted, 2 for no profile."""
    options = PrepareOptions(preset=args.preset, normalise_loudness=not args.no_loudness)
    bar = _bar(sys.stderr)
    try:
        profile = video_profile(args.profile)
        with _ended_cleanly():
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
        return 2 if isinstance(error, UnknownProfile) else 1
    except KeyboardInterrupt:
        _end_line(bar)
        if args.json:
            _print({"error": {"code": PrepareCancelled.code, "message": _INTERRUPTED}})
        sys.stderr.write(f"{_INTERRUPTED}\n")
        return 1
    _end_line(bar)
    if args.json:
        _print({**prepared.to_json(), "profile": profile.id, "out": str(args.out)})
    else:
        sys.stdout.write(f"{_sentence(prepared, profile, args.out)}\n")
    return 0


@contextlib.contextmanager
def _ended_cleanly() -> Iterator[None]:
    """Let the signals that end a process end the preparation as Ctrl-C does, and only once."""
    ours = (signal.SIG_DFL, signal.default_int_handler)
    wanted = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    signals = [number for number in wanted if signal.getsignal(number) in ours]
    is_main = threading.current_thread() is threading.main_thread()

    def end(_number: int, _frame: object) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    kept = {number: signal.signal(number, end) for number in signals} if is_main else {}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _sentence(prepared: Prepared, profile: VideoProfile, out: Path) -> str:
    length = spoken_duration(prepared.seconds)
    size = f"{prepared.bytes / 1e6:.1f} MB"
    verb = "Copied" if prepared.mode == "remux" else "Encoded"
    shown = printable(str(out))
    said = f"{verb} {prepared.frames} pictures ({length}, {size}) for {profile.id} into {shown}."
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
