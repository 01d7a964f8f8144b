"""The `playout` command: each subcommand lives beside the code it drives."""

from __future__ import annotations

import argparse
import importlib
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
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="playout", description="Prepare media once, and keep it on air for ever."
    )
    parser.add_argument("--version", action="version", version=f"playout {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = next((word for word in given if word in _COMMANDS), None)
    for name, (module, summary) in _COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == wanted:
            # Only the one that runs is imported: `air` must not load what encodes.
            implementation = importlib.import_module(module)
            implementation.add_arguments(sub)
            sub.set_defaults(run=implementation.run)
    args = parser.parse_args(given)
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


if __name__ == "__main__":
    sys.exit(main())
