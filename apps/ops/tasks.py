"""Keeping house in the background. Each task may run twice, late or never."""

from __future__ import annotations

from celery import shared_task

from apps.core import idempotency


@shared_task(name="apps.ops.tasks.prune")
def prune() -> int:
    """Forget stored answers of the API that nobody may ask for any more; how many."""
    return idempotency.prune()
