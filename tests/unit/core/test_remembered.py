"""What is remembered of an owner, and when it is worked out again."""

import uuid

import pytest
from django.core.cache import cache
from django.db import transaction

from apps.core.cache import Remembered

ALICE, CHARLIE = uuid.uuid4(), uuid.uuid4()


@pytest.fixture(autouse=True)
def _empty():
    cache.clear()
    yield
    cache.clear()


class Ledger:
    def __init__(self):
        self.values = {ALICE: 1, CHARLIE: 100}
        self.asked = []

    def __call__(self, owner):
        self.asked.append(owner)
        return self.values[owner]


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def remembered(ledger):
    return Remembered("test.sums", ledger)


def test_it_is_worked_out_once_for_each_owner(remembered, ledger):
    assert [remembered.of(ALICE), remembered.of(ALICE)] == [1, 1]
    assert remembered.of(CHARLIE) == 100
    assert ledger.asked == [ALICE, CHARLIE]


@pytest.mark.django_db(transaction=True)
def test_a_change_is_seen_as_soon_as_it_is_committed(remembered, ledger):
    remembered.of(ALICE)
    with transaction.atomic():
        ledger.values[ALICE] = 2
        remembered.forget(ALICE)
        assert remembered.of(ALICE) == 1
    assert remembered.of(ALICE) == 2
    remembered.of(CHARLIE)
    assert ledger.asked == [ALICE, ALICE, CHARLIE]


@pytest.mark.django_db(transaction=True)
def test_what_was_worked_out_before_a_change_never_hides_it(ledger):
    """A slow reader stores the old value after the change was committed."""

    def slow(owner):
        value = ledger(owner)
        if value == 1:
            ledger.values[ALICE] = 2
            remembered.forget(ALICE)
        return value

    remembered = Remembered("test.race", slow)
    assert remembered.of(ALICE) == 1
    assert remembered.of(ALICE) == 2


def test_nothing_is_a_value_like_any_other(ledger):
    ledger.values[ALICE] = None
    remembered = Remembered("test.nothing", ledger)
    assert [remembered.of(ALICE), remembered.of(ALICE)] == [None, None]
    assert ledger.asked == [ALICE]


def test_without_a_cache_it_is_worked_out_each_time(settings, tmp_path, remembered, ledger):
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"unix://{tmp_path}/nobody",
            "OPTIONS": {"IGNORE_EXCEPTIONS": True},
        }
    }
    assert [remembered.of(ALICE), remembered.of(ALICE)] == [1, 1]
    assert ledger.asked == [ALICE, ALICE]
