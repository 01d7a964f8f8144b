import threading
import time

import pytest
from celery import current_app
from django.db import transaction
from prometheus_client import REGISTRY

from apps.core import wake


def lost():
    return REGISTRY.get_sample_value("lost_wakes_total")


@pytest.fixture
def on_valkey(settings, valkey_url):
    settings.REDIS_URL = valkey_url


@pytest.fixture
def without_redis(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody"


@pytest.mark.integration
def test_a_listener_hears_who_was_woken(on_valkey):
    with wake.WakeListener("playout") as listener:
        listener.wait(0.1)  # subscribed from now on
        wake.publish("playout", "a", "b")
        wake.publish("other", "c")
        assert listener.wait(60) == ["a", "b"]


@pytest.mark.integration
def test_a_wake_ends_a_wait_at_once(on_valkey):
    with wake.WakeListener("playout") as listener:
        listener.wait(0.1)
        began = time.monotonic()
        threading.Timer(0.2, wake.publish, ["playout", "x"]).start()
        assert listener.wait(60) == ["x"]
        assert time.monotonic() - began < 30


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_nobody_is_woken_by_what_was_rolled_back(on_valkey):
    with wake.WakeListener("playout") as listener:
        listener.wait(0.1)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            wake.wake_on_commit("playout", "undone")
            raise ZeroDivisionError
        with transaction.atomic():
            wake.wake_on_commit("playout", "done")
            assert listener.wait(0.3) == []
        assert listener.wait(60) == ["done"]


@pytest.mark.integration
def test_a_listener_goes_on_after_the_server_came_back(settings):
    from tests import servers

    with servers._directory("wake") as home:
        settings.REDIS_URL = f"unix://{home}/s"
        with wake.WakeListener("playout") as listener:
            assert listener.wait(0.1) == []
            for _ in range(2):
                with servers._valkey_at(home):
                    listener.wait(0.1)
                    listener.wait(0.1)
                    wake.publish("playout", "x")
                    assert listener.wait(60) == ["x"]


@pytest.mark.django_db(transaction=True)
def test_a_request_does_not_fail_when_redis_is_gone(without_redis):
    before = lost()
    with transaction.atomic():
        wake.wake_on_commit("playout", "x")
    assert lost() == before + 1


def test_waiting_without_redis_only_takes_its_time(without_redis):
    began = time.monotonic()
    with wake.WakeListener("playout") as listener:
        assert listener.wait(0.3) == []
    assert time.monotonic() - began > 0.25


@pytest.mark.django_db(transaction=True)
def test_a_lost_broker_does_not_fail_the_request(tmp_path):
    before, known = lost(), current_app.conf.broker_url
    current_app.conf.broker_url = f"redis+socket://{tmp_path}/nobody"
    current_app.pool.force_close_all()
    try:
        with transaction.atomic():
            wake.wake_task_on_commit("apps.library.tasks.check_asset", "id")
        assert lost() == before + 1
    finally:
        current_app.conf.broker_url = known
