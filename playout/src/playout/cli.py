"""The `playout` command: each subcommand lives beside the code it drives."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from playout import __version__
from playout.errors import PlayoutError

_COMMANDS = {
    "probe": ("playout.probe.command", "say what a file is and what preparing would do"),
    "prepare": ("playout.prepare.command", "turn a file into tracks"),
    "air": ("playout.publisher.command", "put tracks on air"),
    "ingest": ("playout.ingest.command", "receive RTMP, to try things out"),
    "bench": ("playout.bench.command", "measure"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; exit status 0 done, 1 failed, 2 wrong usage."""
    _fill_standard_descriptors()
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="playout", description="Prepare media once, and keep it on air for ever."
    )
    parser.add_argument("--version", action="version", version=f"playout {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = next((word for word in given if word in _COMMANDS), None)
    for name, (module, summary) in _COMMANDS.items():
        description = f"{summary[:1].upper()}{summary[1:]}."
        sub = commands.add_parser(name, help=summary, description=description)
        if name == wanted:
            # Only the one that runs is imported: `air` must not load what encodes.
            implementation = importlib.import_module(module)
            implementation.add_arguments(sub)
            sub.set_defaults(run=implementation.run)
    args = parser.parse_args(given)
    for place, word in enumerate(given, start=1):
        is_option = word.startswith("--") and "--" not in given[:place]
        if not word or (is_option and word.partition("=")[1:] == ("=", "")):
            # The empty name of a file would stand for the folder that we are in.
            which = f"{word[:-1]} has an empty value" if word else f"argument {place} is empty"
            commands.choices[args.command].error(
                f"{which}; leave it out, or look whether a variable is set"
            )
    try:
        status: int = args.run(args)
    except PlayoutError as error:
        print(f"playout {args.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    return status


def _fill_standard_descriptors() -> None:
    """Let what was closed before we began lead nowhere.

    The next socket would take its number, and what we say would go to the ingest.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for as long as we live
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
