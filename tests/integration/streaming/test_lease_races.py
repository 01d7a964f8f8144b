"""Two processes and a real database each: no output ever has two holders with one token."""

import json
import os
import secrets
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[3]
CONTENDER = Path(__file__).with_name("contender.py")
OUTPUTS = 40

pytestmark = pytest.mark.integration


@pytest.fixture(
    scope="module", params=[pytest.param("sqlite", marks=pytest.mark.slow), "postgresql"]
)
def database(request, tmp_path_factory):
    """The address of a migrated database that belongs to this module."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('leases')}/db.sqlite3"
    else:
        base = request.getfixturevalue("postgresql_url")
        name = f"leases_{secrets.token_hex(4)}"
        with psycopg.connect(base, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        url = base.replace("/postgres?", f"/{name}?")
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment(url), check=True
    )
    subprocess.run([sys.executable, "-c", FILL], cwd=ROOT, env=environment(url), check=True)
    return url


def environment(url):
    return {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}


def run_sql(url, *statements):
    """Run statements on either database; return the rows of the last one."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as db:
            for statement in statements:
                rows = db.execute(statement).fetchall()
            db.commit()
            return rows
    with psycopg.connect(url) as db:
        for statement in statements:
            cursor = db.execute(statement)
        return cursor.fetchall() if cursor.description else []


FILL = f"""
import django; django.setup()
from apps.accounts.services import create_user
from apps.streaming.models import *
workspace = create_user(email="races@example.org").workspaces.get()
target = Destination.objects.create(workspace=workspace, name="x", address="rtmp://h/a", key="k")
for n in range({OUTPUTS}):
    stream = Stream.objects.create(workspace=workspace, title=str(n), profile="480p30@1")
    Output.objects.create(stream=stream, destination=target, profile="480p30@1", desired="on")
"""


def hold(url, node, *, expired_seconds=0):
    """Give all outputs to `node`, with a lease that ended so long ago; '' frees them."""
    then = "NULL"
    if node:
        then = (
            f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-{expired_seconds} seconds')"
            if url.startswith("sqlite")
            else f"now() - interval '{expired_seconds} seconds'"
        )
    run_sql(url, f"UPDATE streaming_output SET node = '{node}', token = 7, expires_at = {then}")


def race(url, held, *contenders):
    """Start all contenders, set who held what, let them go at once, return their answers."""
    processes = [
        subprocess.Popen(
            [sys.executable, CONTENDER, *map(str, contender)],
            cwd=ROOT,
            env=environment(url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for contender in contenders
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    hold(url, **held)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = []
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        answers.append([tuple(pair) for pair in json.loads(out)])
    return answers


def holders(url):
    return {
        str(row[0]).replace("-", ""): (row[1], row[2])
        for row in run_sql(url, "SELECT id, node, token FROM streaming_output")
    }


def plain(answers):
    return {output_id.replace("-", ""): token for output_id, token in answers}


def test_two_claimants_of_free_outputs_never_get_the_same_one(database):
    claimants = ("node-a", "claim", 3, 0), ("node-b", "claim", 3, 0)
    first, second = race(database, {"node": ""}, *claimants)
    assert len(first) + len(second) == OUTPUTS
    assert not plain(first).keys() & plain(second).keys()
    assert all(token == 8 for _, token in first + second)
    for output_id, (node, token) in holders(database).items():
        mine = first if node == "node-a" else second
        assert plain(mine)[output_id] == token


def test_two_takers_of_a_dead_nodes_outputs_never_get_the_same_one(database):
    held = {"node": "node-dead", "expired_seconds": 6}
    first, second = race(database, held, ("node-a", "claim", 2, 25), ("node-b", "claim", 2, 25))
    assert len(first) + len(second) == OUTPUTS
    assert not plain(first).keys() & plain(second).keys()
    assert {node for node, _ in holders(database).values()} <= {"node-a", "node-b"}


def test_an_old_holder_that_wakes_up_keeps_only_what_nobody_took(database):
    held = {"node": "node-old", "expired_seconds": 60}
    taken, kept = race(database, held, ("node-new", "claim", 2, 25), ("node-old", "renew", 0, 0))
    taken, kept = plain(taken), plain(kept)
    assert not taken.keys() & kept.keys()
    assert len(taken) + len(kept) == OUTPUTS
    for output_id, (node, token) in holders(database).items():
        if output_id in taken:
            assert (node, token) == ("node-new", 8)
        else:
            # Renewing continues the old lease: its token did not change.
            assert (node, token) == ("node-old", 7)


@pytest.mark.parametrize(("expired_seconds", "contact"), [(3, 60), (60, 20), (60, 0)])
def test_nothing_is_taken_within_the_grace_or_by_a_newcomer(database, expired_seconds, contact):
    held = {"node": "node-old", "expired_seconds": expired_seconds}
    first, second = race(
        database, held, ("node-a", "claim", 5, contact), ("node-b", "claim", 5, contact)
    )
    assert first == second == []
    assert {node for node, _ in holders(database).values()} == {"node-old"}
