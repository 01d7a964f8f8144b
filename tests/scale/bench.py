"""Queries, server time and bytes of every page, on SQLite and on PostgreSQL with Redis.

    python -m tests.scale.bench 10 1000 10000     writes bench/results/pages.json

One process answers one request after another through the whole stack of middleware, as one worker
does; the network is left out. `cold` empties the cache before each request. The first load is the
page and every file of ours that it names, compressed as they are sent.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "bench" / "results" / "pages.json"
MOST_MS = {"warm": 60.0, "cold": 150.0}
MOST_FIRST_LOAD = 150_000


def main(arguments: list[str]) -> int:
    """Measure both installations, each in a process of its own, and say which target is missed.

    A report and no gate: how long something takes depends on what else the machine does.
    """
    if arguments[:1] == ["--one"]:
        print(json.dumps(_measure([int(rows) for rows in arguments[1:]])))
        return 0
    from tests import servers

    with servers.postgresql() as database, servers.valkey() as redis:
        runs = {
            "sqlite": _run(arguments, {}),
            "postgresql+redis": _run(arguments, {"DATABASE_URL": database, "REDIS_URL": redis}),
        }
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    result = {
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "targets": {"ms_p95": MOST_MS, "queries": 6, "first_load_bytes": MOST_FIRST_LOAD},
        "runs": runs,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for name, sizes in runs.items():
        largest = sizes[str(max(map(int, sizes)))]
        print(f"{name}, {max(map(int, sizes))} files:")
        for page, row in largest.items():
            misses = [f"{kind} p95" for kind, most in MOST_MS.items() if row[kind]["p95"] > most]
            misses += ["queries"] if row["queries"] > 6 else []
            misses += ["first load"] if row["first_load_bytes"] > MOST_FIRST_LOAD else []
            print(
                f"  {page:30} {row['queries']} queries  warm {row['warm']['p95']:6.1f} ms  "
                f"cold {row['cold']['p95']:6.1f} ms  {row['first_load_bytes'] / 1000:6.1f} KB  "
                f"{', '.join(misses)}"
            )
    return 0


def _run(rows: list[str], environment: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as directory:
        settings = {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATA_DIR": directory,
            "DATABASE_URL": f"sqlite:///{directory}/db.sqlite3",
            "LOG_LEVEL": "ERROR",
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.scale.bench", "--one", *rows],
            env={**os.environ, **settings, **environment},
            stdout=subprocess.PIPE,
            check=True,
            cwd=ROOT,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure(sizes: list[int]) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from apps.accounts import services
    from tests.scale import seeder
    from tests.scale.pages import pages_of

    call_command("migrate", interactive=False, verbosity=0)
    seeder.noisy()
    results: dict[str, Any] = {}
    for rows in sizes:
        owner = services.create_user(email=f"owner-of-{rows}@example.org")
        workspace, stream = seeder.large(owner, rows=rows)
        _settle(connection)
        client = Client(HTTP_ACCEPT_ENCODING="gzip")
        client.force_login(owner, backend="allauth.account.auth_backends.AuthenticationBackend")
        results[str(rows)] = {}
        for name, address in pages_of(workspace, stream).items():
            _timed(client, address)
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(address)
            assert answer.status_code == 200, f"{address}: {answer.status_code}"
            results[str(rows)][name] = {
                "queries": len(queries),
                "page_bytes": len(answer.content),
                "first_load_bytes": len(answer.content) + _assets_bytes(answer),
                "warm": _spread([_timed(client, address) for _ in range(_requests())]),
                "cold": _spread([_cold(client, address) for _ in range(_requests())]),
            }
    return results


def _requests() -> int:
    return int(os.environ.get("REQUESTS", "25"))


def _settle(connection: Any) -> None:
    """Let the planner know the rows, as a database in use does."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _timed(client: Any, address: str) -> float:
    began = time.perf_counter()
    answer = client.get(address)
    took = 1000 * (time.perf_counter() - began)
    assert answer.status_code == 200, f"{address}: {answer.status_code}"
    return took


def _cold(client: Any, address: str) -> float:
    from django.core.cache import cache

    cache.clear()
    return _timed(client, address)


def _spread(times: list[float]) -> dict[str, float]:
    times = sorted(times)
    return {
        "p50": round(times[len(times) // 2], 2),
        "p95": round(times[min(len(times) - 1, int(0.95 * len(times)))], 2),
    }


def _assets_bytes(answer: Any) -> int:
    """Of the scripts, styles and pictures of ours that a page names."""
    page = gzip.decompress(answer.content) if answer.get("Content-Encoding") else answer.content
    named = set(re.findall(r'(?:src|href)="/static/([^"?#]+)', page.decode()))
    return sum(len(gzip.compress((ROOT / "static" / name).read_bytes())) for name in named)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
