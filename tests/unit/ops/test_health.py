import pytest
from django.core.files.storage import default_storage
from django.test import Client


@pytest.fixture
def client():
    return Client()


def test_liveness_asks_nobody(client):
    assert client.get("/health/live").json() == {"status": "ok"}


@pytest.mark.django_db
def test_readiness_names_every_part(client):
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    report = answer.json()
    assert report["status"] == "ok"
    assert report["outputs"] == {"desired": 0, "on_air": 0}
    for part in ("database", "cache", "storage", "broker", "nodes"):
        assert report[part]["status"] == "ok"


@pytest.mark.django_db
def test_readiness_leaves_nothing_behind(client):
    client.get("/health/ready")
    assert not any(default_storage.listdir("health"))


@pytest.mark.django_db
def test_a_storage_that_cannot_be_written_makes_it_unready(client, local_disk):
    local_disk.write_text("a file where a directory should be")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["storage"]["status"] == "failed"
    assert answer.json()["database"]["status"] == "ok"


@pytest.mark.django_db
def test_a_lost_cache_makes_it_unready_although_pages_go_on(client, settings, tmp_path):
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"unix://{tmp_path}/nobody",
            "OPTIONS": {"IGNORE_EXCEPTIONS": True},
        }
    }
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["cache"]["status"] == "failed"
    assert client.get("/").status_code == 200


@pytest.mark.django_db
def test_reasons_hold_no_address(client, local_disk):
    local_disk.write_text("")
    assert str(local_disk) not in client.get("/health/ready").content.decode()


@pytest.mark.django_db
class TestMetrics:
    def test_this_machine_may_read_them(self, client):
        answer = client.get("/metrics", REMOTE_ADDR="127.0.0.1")
        assert answer.status_code == 200
        assert "outputs_desired 0.0" in answer.content.decode()

    @pytest.mark.parametrize("address", ["10.0.0.5", "203.0.113.9", "::ffff:203.0.113.9", ""])
    def test_others_do_not_learn_that_they_exist(self, client, address):
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == 404

    def test_a_proxy_on_this_machine_is_not_this_machine(self, client):
        answer = client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})
        assert answer.status_code == 404

    def test_the_token_opens_them_from_anywhere(self, client, settings):
        settings.METRICS_TOKEN = "m3trics"
        for token, status in (("m3trics", 200), ("wrong", 404), ("", 404)):
            answer = client.get(
                "/metrics",
                REMOTE_ADDR="203.0.113.9",
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status_code == status

    def test_without_a_configured_token_none_opens(self, client):
        answer = client.get(
            "/metrics", REMOTE_ADDR="203.0.113.9", headers={"Authorization": "Bearer "}
        )
        assert answer.status_code == 404
