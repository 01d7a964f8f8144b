"""Abstract models that every app builds on."""

from __future__ import annotations

import uuid

from django.db import models


class Identified(models.Model):
    """A row with an identifier that nobody can guess or count."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True


class Timestamped(models.Model):
    """A row that knows when it was made and last saved; `update()` does not touch the latter."""

    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, editable=False)

    class Meta:
        abstract = True


class Record(Identified, Timestamped):
    """What most tables are: identified and timestamped."""

    class Meta:
        abstract = True


class StoredReply(models.Model):
    """What was answered to a request that may be sent again; kept for a day.

    Whoever claims the pair of caller and key does the work; `status` is 0 until it is done.
    """

    id = models.BigAutoField(primary_key=True)
    caller = models.UUIDField()
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    """Hash of the request, to tell a repetition from another use of the same key."""
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)
    claimed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="core_reply_once_per_key"),
        ]
        indexes = [models.Index(fields=["claimed_at"], name="core_reply_age")]

    def __str__(self) -> str:
        return f"{self.status} to {self.key} of {self.caller}"
