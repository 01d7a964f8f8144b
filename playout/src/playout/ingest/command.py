"""`playout ingest`: receive RTMP, to try things out."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys
from pathlib import Path

from playout.ingest.server import IngestServer
from playout.lines import LineHandler, LineWriter

_LAST_WORDS_SECONDS = 2.0
"""Whoever reads what we say has so long to take the rest of it."""


def address(text: str) -> tuple[str, int]:
    """`ADDR:PORT` as host and port; an IPv6 address stands in brackets. Raises for argparse."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDR:PORT, such as 127.0.0.1:1935")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise argparse.ArgumentTypeError(f"write an IPv6 address in brackets: [{host}]:{port}")
    return host, int(port)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the subcommand."""
    parser.add_argument(
        "--listen", type=address, required=True, metavar="ADDR:PORT",
        help="where publishers connect; port 0 takes a free one",
    )  # fmt: skip
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="write each session to DIR/<stream>-<n>.flv"
    )
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE",
        help="JSON list of the only stream keys to accept; without it, any name may publish",
    )  # fmt: skip
    parser.add_argument(
        "--http", type=address, metavar="ADDR:PORT",
        help="show /live/<id>.flv and /status.json there",
    )  # fmt: skip
    parser.add_argument(
        "--allow-origin", action="append", default=[], metavar="ORIGIN",
        help="a web origin whose pages may read the HTTP answers; may be repeated",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Receive until interrupted; 0 then, 1 when it cannot listen or record, 2 for bad keys."""
    # Publishers must not wait for whoever reads what we say.
    logging.basicConfig(
        level=logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        handlers=[LineHandler(LineWriter(2))],
    )
    keys = None
    if args.key_file is not None:
        try:
            keys = read_keys(args.key_file)
        except (OSError, ValueError) as error:
            # Never the text of the file: it holds keys.
            reason = error.strerror if isinstance(error, OSError) else "not a JSON list of strings"
            sys.stderr.write(f"playout ingest: {args.key_file} cannot be used: {reason}.\n")
            return 2
    if args.record is not None:
        try:
            args.record.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            is_file = isinstance(error, FileExistsError | NotADirectoryError)
            reason = "a file is in its way" if is_file else error.strerror
            sys.stderr.write(
                f"playout ingest: nothing can be recorded in {args.record}: {reason}.\n"
            )
            return 1
    try:
        asyncio.run(_serve(args, keys))
    except OSError as error:
        sys.stderr.write(f"playout ingest: cannot listen: {error.strerror or error}.\n")
        return 1
    return 0


def read_keys(file: Path) -> frozenset[str]:
    """The keys in a JSON list. Raises `OSError` or `ValueError`."""
    keys = json.loads(file.read_bytes())
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        raise ValueError("not a JSON list of strings")
    return frozenset(keys)


async def _serve(args: argparse.Namespace, keys: frozenset[str] | None) -> None:
    lines = LineWriter(1)

    def tell(line: str) -> None:
        lines.write(line + "\n")

    host, port = args.listen
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with IngestServer(
        host,
        port,
        record=args.record,
        keys=keys,
        http=args.http,
        allow_origins=args.allow_origin,
        tell=tell,
    ) as server:
        tell(f"Receiving at rtmp://{_shown(host)}:{server.port}/APP/STREAM")
        if args.http is not None:
            tell(f"Showing at http://{_shown(args.http[0])}:{server.http_port}/status.json")
        await stop.wait()
    await asyncio.to_thread(lines.flush, _LAST_WORDS_SECONDS)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
