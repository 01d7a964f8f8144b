"""The Celery application: `celery -A config worker`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Being connected is enough: Celery leaves the logging that Django configured alone."""


_inherited: list[Any] = []


@worker_process_init.connect
def _open_own_connections(**_: Any) -> None:
    """Forget, without closing, what a forked child inherited.

    Closing would end the parent's session at the server, and the threads that look after the
    parent's pool did not come along. The references are kept, so that nothing is closed later.
    """
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        _inherited.append(connection.connection)
        connection.connection = None
        pools: dict[str, Any] = getattr(connection, "_connection_pools", {})
        _inherited.append(pools.pop(connection.alias, None))
