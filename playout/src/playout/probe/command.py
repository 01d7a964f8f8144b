"""`playout probe`: what a file is and what preparing would do, in plain words."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from playout.errors import PlayoutError, UnknownProfile
from playout.media import video_profile
from playout.probe.describe import describe
from playout.probe.run import probe
from playout.probe.stills import SUFFIXES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("file", type=Path, help="the file; write -- before a name that begins so")
    parser.add_argument(
        "--profile",
        default="1080p30",
        help="the house format to compare with (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of sentences")


def run(args: argparse.Namespace) -> int:
    """Print what the file is; exit status 1 when it cannot be used, 2 for a profile unknown."""
    try:
        profile = video_profile(args.profile)
        info = probe(args.file, stills=args.file.suffix.lower() in SUFFIXES)
    except PlayoutError as error:
        if args.json:
            _print({"error": {"code": error.code, "message": str(error)}})
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, UnknownProfile) else 1
    report = describe(info, profile)
    if args.json:
        _print({"media": info.to_json(), "report": report.to_json()})
    else:
        sys.stdout.write(f"{report.text}\n")
    return 0


def _print(values: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(values, indent=2) + "\n")
