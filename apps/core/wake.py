"""Waking other processes after a commit; a wake is a hint, what it misses a sweep finds."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from prometheus_client import Counter

logger = logging.getLogger(__name__)

lost_wakes = Counter("lost_wakes", "Wakes that could not be sent; a sweep does their work.")

_PREFIX = "wake:"


def wake_on_commit(channel: str, *ids: object) -> None:
    """Tell listeners of `channel` about `ids` once the transaction is committed.

    Never fails the caller: without Redis, listeners find the change at their next sweep.
    """
    transaction.on_commit(lambda: publish(channel, *ids), robust=True)


def wake_task_on_commit(name: str, *args: Any, countdown: float | None = None) -> None:
    """Queue the Celery task called `name` once the transaction is committed.

    Never fails the caller: a lost task is found by a sweep. `args` must be JSON values.
    """

    def send() -> None:
        try:
            current_app.send_task(name, args=args, countdown=countdown, ignore_result=True)
        except Exception as error:  # noqa: BLE001 - whatever the broker's driver raises
            lost_wakes.inc()
            logger.warning("Task %s was not queued (%s); a sweep will find it.", name, _kind(error))

    transaction.on_commit(send, robust=True)


def publish(channel: str, *ids: object) -> None:
    """Tell listeners now; returns without effect when Redis is not there."""
    client = _client(settings.REDIS_URL)
    if client is None:
        return
    try:
        client.publish(_PREFIX + channel, " ".join(str(one) for one in ids))
    except redis.RedisError as error:
        lost_wakes.inc()
        logger.warning("Nobody was woken on %s (%s).", channel, _kind(error))


class WakeListener:
    """Blocks a thread until somebody wakes one of `channels`, or a time has passed.

        with WakeListener("playout") as listener:
            while running:
                ids = listener.wait(1.0)   # () after a second without news
                sweep()

    It reconnects by itself; while Redis is away, `wait` only sleeps.
    """

    def __init__(self, *channels: str) -> None:
        self._channels = [_PREFIX + channel for channel in channels]
        self._subscription: redis.client.PubSub | None = None

    def __enter__(self) -> WakeListener:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def wait(self, timeout_s: float) -> Sequence[str]:
        """The identifiers of all wakes that have arrived; empty after `timeout_s` without any."""
        deadline = time.monotonic() + timeout_s
        ids: list[str] = []
        while not ids:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                ids += self._read(left)
                while ids and (more := self._read(0)):
                    ids += more
            except redis.RedisError as error:
                logger.debug("Listening for wakes failed (%s).", _kind(error))
                self.close()
                time.sleep(min(max(0.0, deadline - time.monotonic()), 1.0))
        return list(dict.fromkeys(ids))

    def __iter__(self) -> Iterator[str]:
        """Identifiers one by one, for ever."""
        while True:
            yield from self.wait(3600)

    def close(self) -> None:
        """End the subscription; the next `wait` begins a new one."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            try:
                subscription.close()
            except (redis.RedisError, OSError):
                logger.debug("Closing a dead subscription failed.")

    def _read(self, timeout_s: float) -> list[str]:
        if self._subscription is None:
            client = _client(settings.REDIS_URL)
            if client is None:
                time.sleep(timeout_s)
                return []
            subscription = client.pubsub(ignore_subscribe_messages=True)
            subscription.subscribe(*self._channels)
            self._subscription = subscription
        message = self._subscription.get_message(timeout=timeout_s)
        if message is None or message["type"] != "message":
            return []
        # A wake without identifiers still has to end the wait.
        return bytes(message["data"]).decode().split() or [""]


@functools.lru_cache(maxsize=2)
def _client(url: str) -> redis.Redis[bytes] | None:
    if not url:
        return None
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=1,
        socket_timeout=2,
        max_connections=settings.REDIS_MAX_CONNECTIONS,
    )


def _kind(error: BaseException) -> str:
    return error.__class__.__name__
