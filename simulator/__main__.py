"""`python -m simulator`: a YouTube of one's own on this machine."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from simulator.faults import Behaviour
from simulator.server import Options, running


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted; 0 then, 1 when it cannot listen, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="simulator", description="A stand-in for YouTube.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8090, help="of HTTP (8090); 0 takes a free one")
    parser.add_argument("--rtmp-port", type=int, default=1935, help="of the ingest (1935)")
    parser.add_argument("--rtmps-port", type=int, help="of the ingest with TLS; without it, none")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="keep accounts and broadcasts here"
    )
    parser.add_argument("--seed", type=int, help="makes faults and delays repeatable")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="divides every time the service takes (1)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a switch; repeatable"
    )
    args = parser.parse_args(arguments)
    behaviour = Behaviour()
    try:
        behaviour.change(dict(each.partition("=")[::2] for each in args.set))
        if not args.scale > 0:
            raise ValueError("The time scale must be more than 0.")
    except ValueError as error:
        parser.error(str(error))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    options = Options(
        host=args.host,
        port=args.port,
        rtmp_port=args.rtmp_port,
        rtmps_port=args.rtmps_port,
        data=args.data,
        seed=args.seed,
        scale=args.scale,
        behaviour=behaviour,
    )
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        sys.stderr.write(f"simulator: cannot listen: {error.strerror or error}.\n")
        return 1
    return 0


async def _serve(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(options) as simulator:
        _tell(f"Pages and API at {simulator.url}/")
        _tell(f"Ingest at {simulator.rtmp_url}/live2")
        if simulator.rtmps_url:
            _tell(f"Ingest at {simulator.rtmps_url}/live2")
        simulator.world.tell = _tell
        await stop.wait()


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
