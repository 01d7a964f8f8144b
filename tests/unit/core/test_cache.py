import logging

import pytest
from django.core.cache import caches
from prometheus_client import REGISTRY

from config.logs import configure


@pytest.fixture
def unreachable(settings, tmp_path):
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"unix://{tmp_path}/nobody",
            "OPTIONS": {"IGNORE_EXCEPTIONS": True},
        }
    }
    return caches["default"]


def test_a_lost_cache_is_ignored_counted_and_said_once(unreachable, caplog):
    before = REGISTRY.get_sample_value("cache_failures_total")
    with caplog.at_level(logging.ERROR, "apps.core.cache"):
        for _ in range(20):
            assert unreachable.get("x", "missing") == "missing"
        unreachable.set("x", 1)
    assert REGISTRY.get_sample_value("cache_failures_total") == before + 21
    assert len([r for r in caplog.records if r.name == "apps.core.cache"]) <= 2


def test_setting_up_the_log_once_more_does_not_count_losses_twice(settings):
    for _ in range(2):
        configure(settings.LOGGING)
    assert len(logging.getLogger("apps.core.cache").filters) == 1
