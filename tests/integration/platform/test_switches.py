"""The production parts, switched on by settings alone, in processes of their own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(tmp_path):
    """Run Django code under settings from an environment, and give what it printed."""

    def run(code, **variables):
        known = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "error",
                "-c",
                "import django; django.setup()\n" + textwrap.dedent(code),
            ],
            cwd=ROOT,
            env=known
            | {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "ENV_FILE": "",
                "ENVIRONMENT": "development",
                "SECRET_KEY": "only-for-tests",
                "FIELD_ENCRYPTION_KEYS": "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtMDA=",
                "DATA_DIR": str(tmp_path),
            }
            | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def own_postgresql():
    """A cluster that holds nothing else, also when the whole run uses PostgreSQL."""
    from tests import servers

    with servers.postgresql() as url:
        yield url


MIGRATE = """
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
"""


@pytest.mark.slow
def test_sqlite_files_survive_writers_at_the_same_time(run, tmp_path):
    run(MIGRATE)
    said = run("""
        import threading
        from django.db import connection, transaction
        from apps.accounts.models import User
        failures = []
        def write(name):
            try:
                for n in range(25):
                    with transaction.atomic():
                        User.objects.count()   # reads, then writes: deadlocks when deferred
                        User.objects.create(email=f"{name}{n}@example.org")
            except Exception as error:
                failures.append(repr(error))
            finally:
                connection.close()
        threads = [threading.Thread(target=write, args=[n]) for n in "abcd"]
        [t.start() for t in threads]; [t.join() for t in threads]
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode")
            print(User.objects.count(), failures, cursor.fetchone()[0])
        connection.close()
    """)
    assert said.split() == ["100", "[]", "wal"]


def test_all_migrations_run_on_postgresql_and_match_the_models(run, own_postgresql):
    said = run(
        MIGRATE
        + """
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    from django.db import connection
    print(connection.vendor, "accounts_user" in connection.introspection.table_names())
    connection.close_pool()
""",
        DATABASE_URL=own_postgresql,
    )
    assert said.split() == ["postgresql", "True"]


def test_the_pool_bounds_connections_and_gives_them_back(run, own_postgresql):
    said = run(
        """
        import threading
        from django.db import connection
        most, gate = [], threading.Semaphore(0)
        def ask():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.05)")
                cursor.execute("SELECT count(*) FROM pg_stat_activity "
                               "WHERE backend_type = 'client backend'")
                most.append(cursor.fetchone()[0])
            connection.close()
        for _ in range(3):
            threads = [threading.Thread(target=ask) for _ in range(12)]
            [t.start() for t in threads]; [t.join() for t in threads]
        stats = connection.pool.get_stats()
        print(len(most), max(most) <= 3, stats["requests_num"] >= 36, stats["pool_max"])
        connection.close_pool()
        """,
        DATABASE_URL=own_postgresql,
        DB_POOL_MAX="3",
    )
    assert said.split() == ["36", "True", "True", "3"]


def test_a_forked_worker_opens_a_pool_of_its_own(run, own_postgresql):
    said = run(
        """
        import os
        from django.db import connection
        from celery.signals import worker_process_init
        import config.celery
        def pid():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                return cursor.fetchone()[0]
        ours = pid()
        child = os.fork()
        if not child:
            worker_process_init.send(None)
            os._exit(0 if pid() != ours else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), pid() == ours)
        connection.close(); connection.close_pool()
        """,
        DATABASE_URL=own_postgresql,
    )
    assert said.split() == ["0", "True"]


def test_the_cache_compresses_and_is_shared(run, valkey_url):
    write = run(
        """
        from django.core.cache import cache
        cache.set("word", "x" * 100_000, 60)
        from django_redis import get_redis_connection
        connection = get_redis_connection()
        print(connection.strlen(cache.make_key("word")) < 5_000,
              connection.connection_pool.max_connections)
        """,
        REDIS_URL=valkey_url,
        REDIS_MAX_CONNECTIONS="4",
    )
    assert write.split() == ["True", "4"]
    read = run(
        "from django.core.cache import cache\nprint(len(cache.get('word')))", REDIS_URL=valkey_url
    )
    assert read.split() == ["100000"]


def test_tasks_go_through_the_broker_by_name(run, valkey_url):
    broker = valkey_url.replace("unix://", "redis+socket://")
    said = run(
        """
        from celery import current_app
        from django.db import transaction
        from apps.core.wake import wake_task_on_commit
        with transaction.atomic():
            wake_task_on_commit("apps.library.tasks.prepare_rendition", "id-1")
        with current_app.connection_for_read() as connection:
            message = connection.default_channel.basic_get("media", no_ack=True)
            print(message.headers["task"], message.decode()[0])
        """,
        CELERY_BROKER_URL=broker,
        REDIS_URL=valkey_url,
    )
    assert said.split() == ["apps.library.tasks.prepare_rendition", "['id-1']"]


def test_files_go_to_s3_and_come_back_by_ranges_and_signed_links(run, s3):
    said = run(
        """
        import secrets, urllib.request
        from django.core.files.base import ContentFile
        from django.core.files.storage import default_storage as storage
        content = secrets.token_bytes(9 << 20)
        name = storage.save("tests/a b.bin", ContentFile(content))
        with storage.open(name) as file:
            file.seek(8 << 20)
            tail = file.read()
        url = storage.url(name)
        with urllib.request.urlopen(url) as answer:
            whole = answer.read()
        try:
            urllib.request.urlopen(url.partition("?")[0])
            unsigned = "open"
        except urllib.error.HTTPError as error:
            unsigned = str(error.code)
        size = storage.size(name)
        storage.delete(name)
        print(type(storage._wrapped).__name__, tail == content[8 << 20:], whole == content,
              unsigned, size == len(content), storage.exists(name))
        """,
        **s3.environment(),
    )
    assert said.split() == ["S3Storage", "True", "True", "403", "True", "False"]


def test_the_doctor_is_content_with_all_three(run, own_postgresql, valkey_url, s3):
    run(MIGRATE, DATABASE_URL=own_postgresql)
    said = run(
        """
        from django.core.management import call_command
        call_command("doctor")
        from django.db import connection
        connection.close_pool()
        """,
        DATABASE_URL=own_postgresql,
        REDIS_URL=valkey_url,
        CELERY_BROKER_URL=valkey_url.replace("unix://", "redis+socket://"),
        **s3.environment(),
    )
    assert "BAD" not in said
    assert "postgresql" in said
    assert "object store" in said
