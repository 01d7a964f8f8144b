"""CPU of node control with many outputs on air, on SQLite and on PostgreSQL.

    python -m tests.scale.control 1000 [SECONDS]     writes bench/results/control.json

The database side and the supervisor are the real ones; the pumps are played: they obey at once, and
each output reports in its turn, once in eight seconds, as it does on a real pump.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "bench" / "results" / "control.json"
ROUND_SECONDS = 8


def main(arguments: list[str]) -> int:
    """Measure on both databases, each in a process of its own."""
    if arguments[:1] == ["--one"]:
        print(json.dumps(_measure(int(arguments[1]), int(arguments[2]))))
        return 0
    from tests import servers

    count, seconds = arguments[0], (arguments[1:] or ["20"])[0]
    with servers.postgresql() as database:
        runs = {
            "sqlite": _run(count, seconds, {}),
            "postgresql": _run(count, seconds, {"DATABASE_URL": database}),
        }
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    result = {
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "runs": runs,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for name, run in runs.items():
        print(
            f"{name}: {run['outputs']} outputs, {run['cpu_ms_per_second']} ms of CPU a second, "
            f"{run['reports_per_second']} reports and {run['queries_per_second']} queries a second"
        )
    return 0


def _run(count: str, seconds: str, more: Mapping[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "DATA_DIR": home,
            "DATABASE_URL": f"sqlite:///{home}/db.sqlite3", **more,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.scale.control", "--one", count, seconds],
            stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure(count: int, seconds: int) -> dict[str, Any]:
    import django

    django.setup()

    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    _seed(count)

    from apps.streaming.engine import DatabaseEngine, register_node
    from playout.supervisor.ports import DesiredOutput, OutputReport
    from playout.supervisor.reconcile import Running
    from playout.supervisor.states import OutputState
    from playout.supervisor.supervisor import Supervisor

    class Tracks:
        def bring(self, track_ids: set[str]) -> None: ...

        def follow(self, programmes: Mapping[str, object]) -> None: ...

        def horizon_seconds(self, output_id: str) -> float | None:
            return None

        def is_here(self, track_id: str) -> bool:
            return True

        def directory(self, track_id: str) -> str:
            return f"/tracks/{track_id}"

    class Pumps:
        def __init__(self) -> None:
            self.outputs: dict[str, Running] = {}
            self.turn: list[str] = []
            self.next_at = 0.0
            self.told = 0

        def running(self) -> dict[str, Running]:
            return dict(self.outputs)

        def set_output(self, desired: DesiredOutput) -> None:
            self.outputs[desired.output_id] = Running(desired.token, desired.generation)

        def drop_output(self, output_id: str, *, graceful: bool) -> None:
            del self.outputs[output_id]

        def extend_deadline(self, until_ns: int) -> None: ...

        def hold(self, until_ns: int) -> None: ...

        def take_reports(self) -> Sequence[OutputReport]:
            now = time.monotonic()
            if now < self.next_at or not self.outputs:
                return []
            self.next_at = now + 1
            self.turn = self.turn or list(self.outputs)
            share = -(-len(self.outputs) // ROUND_SECONDS)
            chosen, self.turn = self.turn[:share], self.turn[share:]
            self.told += len(chosen)
            return [
                OutputReport(
                    id_, self.outputs[id_].token, self.outputs[id_].generation, OutputState.ON_AIR,
                    time.time_ns(), session_id="s", connected_at_ns=1, bytes_acked=self.told,
                )
                for id_ in chosen
            ]  # fmt: skip

    register_node(node="n", name="n", version="1", capacity_mbps=0)
    engine, pumps = DatabaseEngine(Tracks()), Pumps()
    supervisor = Supervisor("n", leases=engine, desired=engine, reports=engine, pumps=pumps)
    queries = 0

    def count_query(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(sql, params, many, context)

    async def work() -> dict[str, Any]:
        nonlocal queries
        while len(pumps.outputs) < count:
            await supervisor.sweep()
        await supervisor._call(lambda: connection.execute_wrappers.append(count_query))
        for _ in range(2):
            await supervisor.sweep()
        queries = pumps.told = 0
        used = resource.getrusage(resource.RUSAGE_SELF)
        begun = time.monotonic()
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        await supervisor.run(stop)
        took = time.monotonic() - begun
        now = resource.getrusage(resource.RUSAGE_SELF)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        return {
            "outputs": count,
            "seconds": round(took, 1),
            "cpu_ms_per_second": round(1000 * cpu / took, 1),
            "reports_per_second": round(pumps.told / took, 1),
            "queries_per_second": round(queries / took, 1),
        }

    try:
        return asyncio.run(work())
    finally:
        supervisor.close()


def _seed(count: int) -> None:
    from django.utils import timezone

    from apps.accounts.models import Workspace
    from apps.streaming.models import Desired, Destination, Output, ProgrammeVersion, Stream

    profile = "1080p30-economy@1"
    workspace = Workspace.objects.create(name="Scale", slug="scale-control")
    now = timezone.now()
    streams = Stream.objects.bulk_create(
        Stream(
            workspace=workspace, title=f"S{n}", profile=profile, desired=Desired.ON, generation=1,
            timeline_epoch=now,
        )
        for n in range(count)
    )  # fmt: skip
    destinations = Destination.objects.bulk_create(
        Destination(
            workspace=workspace, name=f"D{n}", address="rtmps://a.rtmps.youtube.com:443/live2",
            key=f"key-{n}", fingerprint=f"f{n}",
        )
        for n in range(count)
    )  # fmt: skip
    items = [
        {"id": f"i{n}", "asset": "a", "title": f"Item {n}", "video": f"v{n}", "audio": f"a{n}",
         "frames": 5400}
        for n in range(20)
    ]  # fmt: skip
    ProgrammeVersion.objects.bulk_create(
        ProgrammeVersion(
            stream=stream, n=1, epoch=now, profile=profile, effective_from=0, items=items
        )
        for stream in streams
    )
    Output.objects.bulk_create(
        Output(
            stream=stream, destination=destination, profile=profile, desired=Desired.ON,
            generation=1, publishing_point=f"p{stream.pk}",
        )
        for stream, destination in zip(streams, destinations, strict=True)
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
