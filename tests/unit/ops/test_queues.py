"""Every job has a worker, and what is slow does not stand before what is urgent."""

import re
from pathlib import Path

from celery import current_app
from django.conf import settings

from apps.ops import embedded

ROOT = Path(__file__).resolve().parents[3]


def queues():
    current_app.loader.import_default_modules()
    router = current_app.amqp.router
    ours = [name for name in current_app.tasks if name.startswith("apps.")]
    return {name: router.route({}, name)["queue"].name for name in ours}


def test_each_queue_is_taken_by_exactly_one_worker():
    taken = [queue for worker in embedded.QUEUES.values() for queue in worker]
    assert sorted(taken) == sorted(set(queues().values()) | {settings.CELERY_TASK_DEFAULT_QUEUE})


def test_calls_to_youtube_wait_for_nothing_else():
    found = {queue for name, queue in queues().items() if name.startswith("apps.youtube.")}
    assert found == {"youtube", "mail"}
    assert embedded.QUEUES["youtube"] == ("youtube",)


def test_the_examples_for_servers_take_the_same_queues():
    taken = {}
    for unit in (ROOT / "deploy/systemd").glob("*.service"):
        if found := re.search(r"--hostname=(\w+)@\S+ --queues=(\S+)", unit.read_text()):
            taken[found[1]] = tuple(found[2].split(","))
    assert taken == embedded.QUEUES
