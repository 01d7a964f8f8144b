from datetime import UTC, datetime, timedelta

import pytest

from apps.youtube.retention import is_to_be_forgotten

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("is_disconnected", "since_days", "proved_days", "is_due"),
    [
        (False, 400, 0, False),
        (False, 400, 29.9, False),
        (False, 400, 30, True),
        (False, 5, 30, True),
        (False, 29, None, False),
        (False, 30, None, True),
        (True, 6.9, 7, False),
        (True, 7, 7, True),
        (True, 0, 90, False),
    ],
)
def test_thirty_days_after_the_last_proof_and_seven_after_goodbye(
    is_disconnected, since_days, proved_days, is_due
):
    proved_at = NOW - timedelta(days=proved_days) if proved_days is not None else None
    since = NOW - timedelta(days=since_days)
    found = is_to_be_forgotten(
        is_disconnected=is_disconnected, since=since, proved_at=proved_at, now=NOW
    )
    assert found is is_due
