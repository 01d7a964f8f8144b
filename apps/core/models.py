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
