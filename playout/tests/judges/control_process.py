"""A node control to kill: its wishes come from the command line, so a successor wishes the same.

    python control_process.py DIRECTORY ADDRESS KEY EPOCH_NS DEADLINE_SECONDS TRACKS...

Prints one JSON object a line with each report.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from playout.node.control import NodeConfig, run
from playout.publisher.command import load_programme
from playout.supervisor.ports import DesiredOutput, OutputReport
from playout.supervisor.supervisor import Timing
from playout.testing.memory_store import MemoryStore


class TellingStore(MemoryStore):
    """Says aloud what is reported to it."""

    def report(self, node: str, reports: Sequence[OutputReport]) -> None:
        super().report(node, reports)
        for report in reports:
            print(json.dumps({"state": report.state.value, "error": report.error_text,
                              "item": report.item_id, "session": report.session_id,
                              "events": [event.code for event in report.events]}),
                  flush=True)  # fmt: skip


async def main() -> None:
    directory, address, key, epoch_ns, deadline, *tracks = sys.argv[1:]
    arguments = Namespace(
        loop=True, items=[Path(track) for track in tracks], audio=[], programme=None
    )
    programme = replace(load_programme(arguments), epoch_ns=int(epoch_ns))
    store = TellingStore()
    store.want(DesiredOutput("output", 0, True, 0, address, key, programme, "Test"))
    config = NodeConfig(
        "node",
        Path(directory),
        policy="private",
        timing=Timing(sweep=0.2, renew=float(deadline) / 3, deadline=float(deadline)),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run(config, leases=store, desired=store, reports=store, stop=stop)


if __name__ == "__main__":
    asyncio.run(main())
