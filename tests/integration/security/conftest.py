"""Both tenants and everybody who asks, as the walls know them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.architecture.cast import Cast, company, performance


@pytest.fixture(scope="module")
def everybody(django_db_setup: None, django_db_blocker) -> Iterator[Cast]:
    with company(django_db_blocker) as cast:
        yield cast


@pytest.fixture
def cast(everybody: Cast, local_disk: object, settings) -> Iterator[Cast]:
    with performance(everybody, settings) as cast:
        yield cast
