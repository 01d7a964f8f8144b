"""A pump of an earlier protocol version: holds its lock, greets, and ends when it is asked to.

    python old_pump.py playout.node.pump_process DIRECTORY NAME ENDED_FILE

Writes ENDED_FILE when it ends, so that a test can tell the order of things.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sys
from pathlib import Path


async def main() -> None:
    _, directory, name, ended = sys.argv[1:]
    lock = (Path(directory) / f"{name}.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.write(str(os.getpid()))
    lock.flush()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = {"v": 1, "type": "hello", "pid": os.getpid(), "release": "0", "outputs": []}
        writer.write(json.dumps(hello).encode() + b"\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(greet, Path(directory) / f"{name}.sock")
    await stop.wait()
    server.close()
    # Sessions end with a farewell, which takes a moment.
    await asyncio.sleep(1)
    Path(ended).touch()


if __name__ == "__main__":
    asyncio.run(main())
