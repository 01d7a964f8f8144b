"""gunicorn -c deploy/gunicorn.conf.py config.asgi:application"""

import os
import shutil
from pathlib import Path
from typing import Any

bind = "unix:/run/streamer/web.sock"
worker_class = "asgi"
workers = 3
# Event streams stay open: a worker that is replaced does not wait for them.
graceful_timeout = 10
timeout = 60
# The only client is the proxy on this machine.
forwarded_allow_ips = "*"


def on_starting(server: Any) -> None:
    """Numbers of processes that are gone would be added to those of today."""
    if directory := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        shutil.rmtree(directory, ignore_errors=True)
        Path(directory).mkdir(mode=0o700, parents=True)


def child_exit(server: Any, worker: Any) -> None:
    """Take the dead worker's gauges out."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)
