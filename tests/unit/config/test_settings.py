"""The settings as a process sees them: each case starts one."""

import json
import os
import subprocess
import sys

import pytest

GOOD = {
    "ENV_FILE": "",
    "SECRET_KEY": "k9Zr2vWq8LpX4mTb7NcY1hJd6GfS3aQe5UoRiPwVxEzBtKyM0u2HsC",
    "FIELD_ENCRYPTION_KEYS": "Zk9Zr2vWq8LpX4mTb7NcY1hJd6GfS3aQe5UoRiPwVxE=",
    "ALLOWED_HOSTS": "streamer.test",
    "REDIS_URL": "redis://cache.test:6379/1",
}


def start(*, show="SECRET_KEY", **variables):
    code = (
        "import json\nfrom config import settings\n"
        f"print(json.dumps({{n: getattr(settings, n, None) for n in {show.split()}}}, default=str))"
    )
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | {k: v for k, v in (GOOD | variables).items() if v is not None},
        capture_output=True,
        text=True,
        check=False,
    )


def values(show, **variables):
    done = start(show=show, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "ALLOWED_HOSTS", "REDIS_URL"]
)
def test_production_does_not_start_without(name):
    done = start(**{name: None})
    assert done.returncode != 0
    assert f"{name} must be set" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "django-insecure-0123456789012345678901234567890123456789"),
        ("SECRET_KEY", "change-me"),
        ("SECRET_KEY", "a" * 60),
        ("FIELD_ENCRYPTION_KEYS", "change-me"),
        ("DEBUG", "true"),
        ("ALLOWED_HOSTS", "*"),
        ("DESTINATION_POLICY", "anywhere"),
        ("STREAM_BUFFER_SIZE", "much"),
        ("DATABASE_URL", "mysql://db/x"),
    ],
)
def test_production_refuses_to_start_and_names(name, value):
    done = start(**{name: value})
    assert done.returncode != 0
    assert name in done.stderr.splitlines()[-1]


def test_production_is_the_default_and_is_strict():
    found = values(
        "ENVIRONMENT DEBUG SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SECURE_SSL_REDIRECT"
        " SECURE_HSTS_SECONDS DESTINATION_POLICY"
    )
    assert found["ENVIRONMENT"] == "production"
    assert found["DEBUG"] is False
    assert all(found[n] for n in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"))
    assert found["SECURE_HSTS_SECONDS"] > 0
    assert found["DESTINATION_POLICY"] == "known"


def test_sqlite_takes_its_lock_at_the_start_of_a_transaction():
    options = values("DATABASES")["DATABASES"]["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in options["init_command"]


def test_postgresql_gets_a_pool_whose_connections_age():
    found = values(
        "DATABASES", DATABASE_URL="postgresql://u@h/n", DB_POOL_MAX="7", CONN_MAX_AGE="120"
    )["DATABASES"]["default"]
    assert found["OPTIONS"]["pool"]["max_size"] == 7
    assert found["OPTIONS"]["pool"]["max_lifetime"] == 120
    assert found["CONN_MAX_AGE"] == 0


def test_a_bucket_switches_the_storage():
    assert "FileSystem" in values("STORAGES")["STORAGES"]["default"]["BACKEND"]
    found = values("STORAGES", AWS_STORAGE_BUCKET_NAME="b", AWS_S3_ENDPOINT_URL="http://s3.test")
    assert found["STORAGES"]["default"]["OPTIONS"]["endpoint_url"] == "http://s3.test"


def test_lost_tasks_come_back_in_seconds_and_running_ones_are_not_handed_out_twice():
    found = values(
        "CELERY_BROKER_TRANSPORT_OPTIONS CELERY_TASK_ACKS_LATE CELERY_TASK_REJECT_ON_WORKER_LOST"
        " CELERY_WORKER_PREFETCH_MULTIPLIER CELERY_TASK_TIME_LIMIT",
        CELERY_TASK_TIMEOUT="600",
    )
    options = found["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert options["visibility_timeout"] > 600
    assert (options["unacked_restore_interval"], options["unacked_restore_throttle"]) == (2, 1)
    assert found["CELERY_TASK_ACKS_LATE"] is found["CELERY_TASK_REJECT_ON_WORKER_LOST"] is True
    assert found["CELERY_WORKER_PREFETCH_MULTIPLIER"] == 1
    assert found["CELERY_TASK_TIME_LIMIT"] == 600


def test_check_deploy_has_nothing_to_say():
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env=kept | GOOD,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("environment", "url", "backend", "verification"),
    [
        ("development", None, "filebased", "optional"),
        ("production", None, "dummy", "none"),
        ("production", "smtp://mail.test:587", "smtp", "mandatory"),
        ("development", "file:///tmp/mails", "filebased", "mandatory"),
    ],
)
def test_addresses_are_confirmed_where_mail_can_be_sent(environment, url, backend, verification):
    found = values(
        "EMAIL_BACKEND ACCOUNT_EMAIL_VERIFICATION MAIL_OUTBOX",
        ENVIRONMENT=environment, EMAIL_URL=url, DATA_DIR="/tmp/data",
    )  # fmt: skip
    assert f".{backend}." in found["EMAIL_BACKEND"], "links that open accounts end in no log"
    assert found["ACCOUNT_EMAIL_VERIFICATION"] == verification
    shown = environment == "development" and url is None
    assert found["MAIL_OUTBOX"] == ("/tmp/data/outbox" if shown else "")


@pytest.mark.parametrize("given", [{"GOOGLE_CLIENT_ID": "x"}, {"GOOGLE_CLIENT_SECRET": "x"}, {}])
def test_half_of_googles_settings_offer_nothing(given):
    found = values("GOOGLE_SIGN_IN CONTENT_SECURITY_POLICY", **given)
    assert found["GOOGLE_SIGN_IN"] is False
    assert found["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]["form-action"] == ["'self'"]


@pytest.mark.parametrize(
    ("given", "count"),
    [({}, 0), ({"TRUSTED_PROXY": "true"}, 1), ({"TRUSTED_PROXY_COUNT": "2"}, 2)],
)
def test_proxies_are_believed_when_they_are_named(given, count):
    assert values("TRUSTED_PROXY_COUNT", **given)["TRUSTED_PROXY_COUNT"] == count


def test_cookies_leave_over_tls_only_in_production():
    found = values("SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SESSION_COOKIE_HTTPONLY")
    assert all(found.values())
