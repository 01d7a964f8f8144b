"""A page costs the same few queries whatever the rows: nothing is asked once for each of them."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from tests.scale import seeder
from tests.scale.pages import MOST_QUERIES, pages_of

SIZES = (10, 300)
TRANSACTION = ("SAVEPOINT", "RELEASE SAVEPOINT", "BEGIN", "COMMIT")
MORE_WITHOUT_CACHE = 2
"""The session, and the totals of the workspace: they are read once, and then from the cache."""


def counted(client: Client, address: str, *, cold: bool = False) -> list[str]:
    """The statements of one request in a running process; the user's own row counts.

    The session comes from the cache as it does between any two clicks, unless it is `cold`. What a
    process learns once and keeps was learnt by the request before.
    """
    assert client.get(address).status_code == 200, address
    if cold:
        cache.clear()
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200, address
    return [q["sql"] for q in queries if not q["sql"].startswith(TRANSACTION)]


@pytest.mark.parametrize("rows", SIZES)
def test_no_page_costs_more_than_six_queries(rows: int, alice: User, as_alice: Client):
    seeder.noisy(2, assets=20, streams=5, playlists=2)
    workspace, stream = seeder.large(alice, rows=rows)
    too_many = {
        f"{name}, {'cold' if cold else 'warm'}": statements
        for name, address in pages_of(workspace, stream).items()
        for cold in (False, True)
        if len(statements := counted(as_alice, address, cold=cold))
        > MOST_QUERIES + MORE_WITHOUT_CACHE * cold
    }
    assert not too_many, "\n".join(
        f"{name}: {len(statements)}\n  " + "\n  ".join(s[:160] for s in statements)
        for name, statements in too_many.items()
    )


def test_counts_do_not_grow_with_rows(alice: User, as_alice: Client):
    counts = []
    for rows in SIZES:
        workspace, stream = seeder.large(alice, rows=rows)
        counts.append(
            {n: len(counted(as_alice, a)) for n, a in pages_of(workspace, stream).items()}
        )
    assert counts[0] == counts[1]
