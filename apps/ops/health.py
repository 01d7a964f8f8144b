"""Whether each part works, asked with short deadlines."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as OutOfTime
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, connections

from apps.streaming.selectors import outputs_overview

DEADLINE_S = 5.0


def readiness() -> dict[str, Any]:
    """The state of every part; `status` is `ok` when this installation can do its work."""
    checks: dict[str, Callable[[], None]] = {
        "database": check_database,
        "cache": check_cache,
        "storage": check_storage,
        "broker": check_broker,
    }
    report: dict[str, Any] = {name: _state_of(check) for name, check in checks.items()}
    try:
        overview = outputs_overview()
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer must say so
        overview = {"desired": 0, "on_air": 0, "nodes": []}
        report["nodes"] = {"status": "failed", "reason": error.__class__.__name__}
    else:
        alive = sum(node["alive"] for node in overview["nodes"])
        # Without a wish nobody needs a node: a fresh installation is ready.
        missing = overview["desired"] > 0 and not alive
        report["nodes"] = {"status": "failed" if missing else "ok", "alive": alive}
        if missing:
            report["nodes"]["reason"] = "no node is alive"
    report["outputs"] = {"desired": overview["desired"], "on_air": overview["on_air"]}
    failed = any(part.get("status") == "failed" for part in report.values())
    return {"status": "failed" if failed else "ok", **report}


def check_database() -> None:
    """Raises when the database does not answer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def check_cache() -> None:
    """Raises when the cache loses what it was given; failures are ignored elsewhere, not here."""
    key, value = f"health-{secrets.token_hex(8)}", secrets.token_hex(8)
    cache.set(key, value, 30)
    if cache.get(key) != value:
        raise ConnectionError("the cache does not keep values")
    cache.delete(key)


def check_storage() -> None:
    """Raises when a small file cannot be written, read and deleted."""
    content = secrets.token_bytes(16)
    name = default_storage.save(f"health/{secrets.token_hex(8)}", ContentFile(content))
    try:
        with default_storage.open(name, "rb") as file:
            if file.read() != content:
                raise OSError("the storage gave back other bytes")
    finally:
        default_storage.delete(name)


def check_broker() -> None:
    """Raises when no connection to the broker can be made."""
    if settings.CELERY_BROKER_URL.startswith("memory:"):
        return
    with current_app.connection_for_write(connect_timeout=2) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=3)


def run_bounded(check: Callable[[], None], deadline_s: float = DEADLINE_S) -> None:
    """Run `check` in a thread and give up on it after `deadline_s`.

    Raises:
        TimeoutError: it is still running; its thread ends when the check does.
    """

    def in_thread() -> None:
        try:
            check()
        finally:
            connections.close_all()

    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="health")
    try:
        executor.submit(in_thread).result(timeout=deadline_s)
    except OutOfTime:
        raise TimeoutError(f"no answer within {deadline_s:g} s") from None
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _state_of(check: Callable[[], None]) -> dict[str, Any]:
    began = time.monotonic()
    try:
        # In a test the database is visible to the test's own thread only.
        if check is check_database:
            check()
        else:
            run_bounded(check)
    except Exception as error:  # noqa: BLE001 - every failure is an answer here
        # The class alone: messages of drivers hold addresses and sometimes credentials.
        return {"status": "failed", "reason": error.__class__.__name__}
    return {"status": "ok", "ms": round((time.monotonic() - began) * 1000, 1)}
