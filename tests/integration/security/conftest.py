"""Both tenants and everybody who asks, as the walls know them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from django.core.cache import cache

from tests.architecture.cast import Cast, assemble


@pytest.fixture
def cast(db: None, local_disk: object, settings) -> Iterator[Cast]:
    settings.API_RATE_PER_MINUTE = 1_000_000
    cache.clear()
    logging.disable(logging.ERROR)
    yield assemble()
    logging.disable(logging.NOTSET)
    cache.clear()
