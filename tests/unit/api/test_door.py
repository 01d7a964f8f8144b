"""What holds for every operation: who gets in, how often, once, and in which words."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import ApiToken
from apps.core import idempotency
from apps.core.models import StoredReply
from apps.core.problems import Problem
from apps.ops import tasks
from apps.streaming.models import Playlist
from tests.unit.api.conftest import code_of

PLAYLIST = {"name": "Night"}


# -- tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "auth.required"),
        ("Bearer ", "auth.invalid"),
        ("Bearer ys_wrong", "auth.invalid"),
        ("Bearer \x00", "auth.invalid"),
        ("Basic YTpi", "auth.invalid"),
        ("ys_wrong", "auth.invalid"),
    ],
)
def test_nobody_gets_in_without_a_working_token(db, header, code):
    headers = {} if header is None else {"Authorization": header}
    answer = Client().get("/api/v1/streams", headers=headers)
    assert (answer.status_code, code_of(answer)) == (401, code)
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_session_is_no_token(as_alice):
    assert code_of(as_alice.get("/api/v1/streams")) == "auth.required"
    answer = as_alice.post("/api/v1/playlists", PLAYLIST, content_type="application/json")
    assert code_of(answer) == "auth.required"


def test_a_token_stops_working_when_it_is_revoked(api):
    api.read("/streams")
    services.revoke_token(token=ApiToken.objects.get())
    assert code_of(api("GET", "/streams")) == "auth.invalid"


def test_the_last_use_is_noted_once_a_minute(api, django_assert_num_queries):
    api.read("/workspace")
    first = ApiToken.objects.get().last_used_at
    assert timezone.now() - first < timedelta(seconds=10)
    with django_assert_num_queries(1):
        api.read("/workspace")
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    api.read("/workspace")
    assert ApiToken.objects.get().last_used_at >= first


# -- how often ----------------------------------------------------------------------------------


def test_haste_is_refused_with_the_time_to_wait(api, settings):
    settings.API_RATE_PER_MINUTE = 2
    first = api("GET", "/workspace")
    assert (first["RateLimit-Limit"], first["RateLimit-Remaining"]) == ("2", "1")
    api("GET", "/workspace")
    third = api("GET", "/workspace")
    assert (third.status_code, code_of(third)) == (429, "rate.exceeded")
    assert 0 < int(third["Retry-After"]) <= 60
    assert third["RateLimit-Remaining"] == "0"


def test_the_haste_of_one_token_is_not_another_s(program, alice, settings):
    settings.API_RATE_PER_MINUTE = 1
    one, other = program(alice), program(alice)
    one("GET", "/workspace")
    assert one("GET", "/workspace").status_code == 429
    assert other("GET", "/workspace").status_code == 200


def test_nobody_is_refused_for_haste_while_the_cache_is_away(api, settings):
    settings.API_RATE_PER_MINUTE = 1
    settings.DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = False
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "OPTIONS": {"IGNORE_EXCEPTIONS": True, "SOCKET_CONNECT_TIMEOUT": 1},
        }
    }
    assert [api("GET", "/workspace").status_code for _ in range(3)] == [200] * 3


# -- once ---------------------------------------------------------------------------------------


def test_a_repetition_gets_the_first_answer_and_does_nothing(api):
    key = str(uuid.uuid4())
    first = api("POST", "/playlists", PLAYLIST, Idempotency_Key=key)
    second = api("POST", "/playlists", PLAYLIST, Idempotency_Key=key)
    assert first.status_code == second.status_code == 201
    assert second.content == first.content
    assert (second["Location"], second["ETag"]) == (first["Location"], first["ETag"])
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert Playlist.objects.count() == 1


def test_without_a_key_a_repetition_is_a_second_request(api):
    for _ in range(2):
        api("POST", "/playlists", PLAYLIST)
    assert Playlist.objects.count() == 2


def test_a_key_stands_for_one_request_of_one_token(api, program, alice):
    api("POST", "/playlists", PLAYLIST, Idempotency_Key="k")
    other = api("POST", "/playlists", {"name": "Day"}, Idempotency_Key="k")
    assert (other.status_code, code_of(other)) == (422, "idempotency.key_reused")
    assert program(alice)("POST", "/playlists", PLAYLIST, Idempotency_Key="k").status_code == 201


def test_a_refusal_is_an_answer_too(api, workspace):
    def add():
        return api("POST", "/playlists", {"name": ""}, Idempotency_Key="k")

    first, second = add(), add()
    assert first.status_code == 422
    assert second.content == first.content
    assert second["Idempotency-Replayed"] == "true"


def test_a_refusal_of_the_caller_is_not_kept(program, alice):
    program(alice, "read")("POST", "/playlists", PLAYLIST, Idempotency_Key="k")
    assert not StoredReply.objects.exists()


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_an_unusable_key_is_refused(api, key):
    answer = api("POST", "/playlists", PLAYLIST, Idempotency_Key=key)
    assert code_of(answer) == "idempotency.key_invalid"
    assert not Playlist.objects.exists()


def test_a_request_that_still_runs_is_not_done_twice(api):
    token = ApiToken.objects.get()
    api("POST", "/playlists", PLAYLIST, Idempotency_Key="k")
    StoredReply.objects.update(status=0, claimed_at=timezone.now())
    answer = api("POST", "/playlists", PLAYLIST, Idempotency_Key="k")
    assert (answer.status_code, code_of(answer)) == (409, "idempotency.in_progress")
    assert answer["Retry-After"] == "1"
    assert Playlist.objects.filter(workspace=token.workspace).count() == 1


def test_the_claim_of_a_dead_worker_runs_out(api):
    api("POST", "/playlists", PLAYLIST, Idempotency_Key="k")
    StoredReply.objects.update(
        status=0, claimed_at=timezone.now() - idempotency.CLAIM_TIME - timedelta(seconds=1)
    )
    assert api("POST", "/playlists", PLAYLIST, Idempotency_Key="k").status_code == 201
    assert StoredReply.objects.get().status == 201


def test_after_a_day_a_key_is_free_again(api):
    api("POST", "/playlists", PLAYLIST, Idempotency_Key="k")
    StoredReply.objects.update(claimed_at=timezone.now() - timedelta(hours=25))
    assert api("POST", "/playlists", {"name": "Day"}, Idempotency_Key="k").status_code == 201
    StoredReply.objects.update(claimed_at=timezone.now() - timedelta(hours=25))
    assert idempotency.prune() == 1


def test_work_that_fails_leaves_neither_rows_nor_a_claim(db, workspace):
    def work():
        Playlist.objects.create(workspace=workspace, name="half")
        raise RuntimeError("power")

    with pytest.raises(RuntimeError):
        idempotency.once(caller=uuid.uuid4(), key="k", fingerprint="f", work=work)
    assert not Playlist.objects.exists()
    assert not StoredReply.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_moment_one_does_the_work():
    caller, begun, go_on = uuid.uuid4(), threading.Event(), threading.Event()
    done = []

    def slow():
        from django.http import HttpResponse

        begun.set()
        assert go_on.wait(60)
        done.append(1)
        return HttpResponse(b"{}", status=201, content_type="application/json")

    def first():
        try:
            idempotency.once(caller=caller, key="k", fingerprint="f", work=slow, is_short=False)
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(60)
    with pytest.raises(Problem) as refused:
        idempotency.once(caller=caller, key="k", fingerprint="f", work=slow)
    assert refused.value.kind.code == "idempotency.in_progress"
    go_on.set()
    thread.join(60)
    assert done == [1]
    again = idempotency.once(caller=caller, key="k", fingerprint="f", work=slow)
    assert again[idempotency.REPLAYED] == "true"
    assert done == [1]


# -- tags ---------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_sent_again(api):
    path = f"/playlists/{api('POST', '/playlists', PLAYLIST).json()['id']}"
    for address in (path, "/playlists", f"{path}/items", "/workspace", "/profiles"):
        first = api("GET", address)
        same = api("GET", address, If_None_Match=first["ETag"])
        assert (same.status_code, same.content) == (304, b"")
        assert same["ETag"] == first["ETag"]
    old = api("GET", path)["ETag"]
    api("PATCH", path, {"name": "Day"})
    changed = api("GET", path, If_None_Match=f'"other", W/{old}')
    assert changed.status_code == 200
    assert changed.json()["name"] == "Day"


def test_a_change_of_what_somebody_else_changed_is_refused(api):
    made = api("POST", "/playlists", PLAYLIST)
    path = f"/playlists/{made.json()['id']}"
    first = api("PATCH", path, {"name": "Day"}, If_Match=made["ETag"])
    assert first.status_code == 200
    assert first["ETag"] == api("GET", path)["ETag"]
    late = api("PATCH", path, {"name": "Noon"}, If_Match=made["ETag"])
    assert (late.status_code, code_of(late)) == (412, "resource.changed")
    assert api("DELETE", path, If_Match=made["ETag"]).status_code == 412
    # Compression on the way out marks tags as weak; the change is still allowed.
    assert api("PATCH", path, {"name": "Noon"}, If_Match=f"W/{first['ETag']}").status_code == 200
    assert api("DELETE", path, If_Match="*").status_code == 204


# -- bodies and refusals ------------------------------------------------------------------------


def send(api, content, kind="application/json", **extra):
    return api.client.post(
        "/api/v1/playlists",
        content,
        content_type=kind,
        headers={"Authorization": f"Bearer {api.text}"} | extra,
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", "request.json_invalid"),
        ("", "request.invalid"),
        ("[]", "request.invalid"),
        ("null", "request.invalid"),
        ('{"name": NaN}', "request.json_invalid"),
        (b'{"name": "\xff"}', "request.json_invalid"),
        ('{"name": "\\ud800"}', "request.invalid"),
        ('{"name": "a\\u0000b"}', "request.invalid"),
        ('{"name": 1}', "request.invalid"),
        ('{"name": "x", "name2": "y"}', "request.invalid"),
        ("[" * 100_000, "request.json_invalid"),
    ],
)
def test_a_body_that_is_not_as_described_is_refused(api, content, code):
    assert code_of(send(api, content)) == code
    assert not Playlist.objects.exists()


def test_a_body_must_say_that_it_is_json(api):
    answer = send(api, json.dumps(PLAYLIST), kind="text/plain")
    assert (answer.status_code, code_of(answer)) == (415, "request.media_type")


def test_a_long_body_is_refused_before_it_is_read(api, settings):
    settings.API_BODY_MAX_BYTES = 1000
    answer = send(api, json.dumps({"name": "x" * 2000}))
    assert (answer.status_code, code_of(answer)) == (413, "request.too_large")


def test_a_body_of_unknown_length_is_refused(api):
    answer = send(api, "", **{"Transfer-Encoding": "chunked", "Content-Length": ""})
    assert code_of(answer) == "request.length_required"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nonsense", "resource.not_found"),
        ("POST", "/streams/", "resource.not_found"),
        ("GET", "/streams/1", "resource.not_found"),
        ("GET", "/", "resource.not_found"),
        ("PUT", "/streams", "request.method_not_allowed"),
        ("OPTIONS", "/streams", "request.method_not_allowed"),
    ],
)
def test_wrong_addresses_and_methods_are_problems_too(api, method, path, code):
    answer = api(method, path)
    assert code_of(answer) == code
    if answer.status_code == 405:
        assert answer["Allow"] == "GET, POST"


def test_a_fault_of_ours_says_so_and_nothing_else(api, monkeypatch, caplog):
    monkeypatch.setattr("apps.streaming.api.rows.streams_of", lambda *_, **__: 1 / 0)
    answer = api("GET", "/streams")
    assert (answer.status_code, code_of(answer)) == (500, "server.failed")
    assert "division" not in answer.content.decode()
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("key", [{}, {"Idempotency_Key": "once"}])
@pytest.mark.parametrize("words", [("UPDATE", "INSERT"), ("INSERT",), ("SELECT",)])
def test_a_database_that_is_away_locked_or_full_is_a_problem_that_says_when_to_come_back(
    api, key, words
):
    def fails(execute, sql, *rest):
        if sql.startswith(words):
            raise OperationalError("database or disk is full")
        return execute(sql, *rest)

    with connection.execute_wrapper(fails):
        answer = api("POST", "/playlists", PLAYLIST, **key)
    assert (answer.status_code, code_of(answer)) == (503, "server.unavailable")
    assert int(answer["Retry-After"]) > 0
    assert "disk" not in answer.content.decode()


def test_a_use_that_cannot_be_noted_keeps_nobody_out(api):
    def fails(execute, sql, *rest):
        if sql.startswith("UPDATE"):
            raise OperationalError("database is locked")
        return execute(sql, *rest)

    with connection.execute_wrapper(fails):
        assert api("GET", "/playlists").status_code == 200


def test_answers_are_private(api):
    made = api("POST", "/playlists", PLAYLIST)
    assert made["Cache-Control"] == "no-store"
    read = api("GET", "/playlists")
    assert read["Cache-Control"] == "private, no-cache"
    assert "Authorization" in read["Vary"]


def test_old_answers_are_forgotten_every_hour(api, settings):
    api("POST", "/playlists", PLAYLIST, Idempotency_Key="old")
    StoredReply.objects.update(claimed_at=timezone.now() - timedelta(hours=25))
    api("POST", "/playlists", PLAYLIST, Idempotency_Key="new")
    (plan,) = (
        one for one in settings.CELERY_BEAT_SCHEDULE.values() if one["task"].startswith("apps.ops.")
    )
    assert plan["task"] == tasks.prune.name
    assert tasks.prune() == 1
    assert [reply.key for reply in StoredReply.objects.all()] == ["new"]


@pytest.mark.parametrize("rest", ["nowhere", "folders/a%0Ab", "folders/%0A", "a%C2%85b%E2%80%A8c"])
def test_what_is_no_address_is_a_problem_too(api, rest):
    answer = api("GET", f"/{rest}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
