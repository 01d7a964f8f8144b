"""Secrets that can be recognised are carried through all that handles them, and looked for in all
that is written or told: logs, pages, errors, metrics, messages, cache, database, mail.
"""

import base64
import contextlib
import io
import json
import logging
import logging.config
import re
import zlib
from dataclasses import dataclass, field

import pytest
import redis
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from kombu.transport import memory

from apps.accounts import services
from apps.accounts.models import Scope, User
from apps.core.fields import SecretText
from apps.streaming import stream_manager
from apps.streaming.models import Output
from apps.youtube import tasks
from apps.youtube.client import YouTubeError
from apps.youtube.models import Channel, IngestKey, Show
from apps.youtube.services import connecting, shows, tokens
from config.logs import logging_config
from tests.architecture.addresses import ADDRESSES
from tests.integration.youtube.conftest import HARBOUR, NIGHT, make_stream

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "planted-password-of-a-person-71"
OWN_SECRET = "planted-secret-of-an-own-client-72"
CLIENT_SECRET = "planted-secret-of-the-operator-73"
TYPED_KEY = "plan-ted7-4key-type-dinx"
WRONG_CODE = "4/0planted-code-that-nobody-gave-75"


@dataclass
class Watch:
    """What must stay hidden, and where it was looked for."""

    planted: dict[str, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    """Characters that were looked through, by place."""
    found: list[str] = field(default_factory=list)

    def plant(self, what: str, secret: object) -> None:
        text = str.__str__(secret) if isinstance(secret, SecretText) else str(secret)
        assert len(text) > 12, f"{what} is too short to be recognised"
        self.planted[text] = what

    def look(self, place: str, text: str | bytes) -> None:
        """In clear, or as a program would carry it: base64 of any alignment, compressed."""
        plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        self.places[place] = self.places.get(place, 0) + len(plain)
        for secret, what in self.planted.items():
            if any(form in plain for form in _forms(secret)):
                self.found.append(f"{what} in {place}")

    def plant_of(self, stage) -> None:
        """All that the simulated YouTube has given out by now."""
        world = stage.world
        for token in world.access_tokens:
            self.plant("an access token", token)
        for grant in world.grants.values():
            if grant.refresh_token:
                self.plant("a refresh token", grant.refresh_token)
        for code in world.codes:
            self.plant("a code", code)
        for stream in world.streams.values():
            self.plant("a stream key", stream.truth["cdn"]["ingestionInfo"]["streamName"])


def _forms(secret: str) -> list[str]:
    raw = secret.encode()
    forms = [secret]
    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + raw)
        # Without the ends, which depend on what stands beside it.
        inner = coded[4 if shift else 0 : -4].decode()
        forms += [inner, inner.replace("+", "-").replace("/", "_")]
    return forms


@pytest.fixture
def log(settings):
    """All that the product's own logging writes with every logger at its most talkative."""
    written = io.StringIO()
    config = logging_config(level="DEBUG", as_json=True)
    config["handlers"]["stderr"]["stream"] = written
    config["loggers"] = {"apps.core.cache": {"filters": ["count_cache_failures"]}}
    logging.config.dictConfig(config)
    names = [
        *logging.root.manager.loggerDict,
        "simulator",
        "urllib3",
        "django.db.backends",
        "celery",
        "httpx",
    ]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    # The simulated YouTube logs in this process; what it writes is not ours.
    logging.getLogger("simulator").setLevel(logging.CRITICAL)
    # So do the runner's own handlers, three times over.
    others = [each for each in logging.root.handlers if getattr(each, "stream", None) != written]
    logging.root.handlers = [each for each in logging.root.handlers if each not in others]
    connection.force_debug_cursor = True
    yield written
    connection.force_debug_cursor = False
    logging.root.handlers = others
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    logging.config.dictConfig(settings.LOGGING)


def dump_database(watch):
    tables = connection.introspection.table_names()
    assert "youtube_channel" in tables
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    text = bytes(value) if isinstance(value, (bytes, memoryview)) else str(value)
                    watch.look(f"database: {table}.{column}", text)
    for session in Session.objects.all():
        # Signed is not sealed: whoever has the row can read it.
        watch.look("database: sessions, opened", json.dumps(session.get_decoded(), default=str))


def dump_cache_and_broker(watch, settings):
    store = getattr(cache, "_cache", None)
    if isinstance(store, dict):
        for key, value in store.items():
            watch.look("cache", str(key))
            watch.look("cache", value)
    for queue in memory.Channel.queues.values():
        for message in list(queue.queue):
            watch.look("broker", json.dumps(message, default=str))
            watch.look("broker", base64.b64decode(message["body"]))
    for url in {settings.REDIS_URL, settings.CELERY_BROKER_URL} - {"", "memory://"}:
        # The broker's library has a word of its own for a socket, and for its database.
        server = redis.Redis.from_url(
            url.replace("redis+socket:", "unix:").replace("virtual_host=", "db=")
        )
        for key in server.scan_iter():
            watch.look("redis", key)
            kind = server.type(key)
            if kind == b"string":
                _look_raw(watch, server.get(key))
            elif kind == b"list":
                for value in server.lrange(key, 0, -1):
                    _look_raw(watch, value)
                    watch.look("broker", value)
            elif kind == b"hash":
                for name, value in server.hgetall(key).items():
                    _look_raw(watch, name)
                    _look_raw(watch, value)
            elif kind in (b"set", b"zset"):
                values = server.smembers(key) if kind == b"set" else server.zrange(key, 0, -1)
                for value in values:
                    _look_raw(watch, value)


def _look_raw(watch, value):
    watch.look("redis", value)
    with contextlib.suppress(zlib.error):
        watch.look("redis", zlib.decompress(value))
    for body in re.findall(rb'"body": ?"([A-Za-z0-9+/=]+)"', value):
        watch.look("redis", base64.b64decode(body))


def crawl(watch, client, ids, place):
    """Every page and every address of the API that answers to GET, as far as there is a row."""
    seen = 0
    for route, methods in ADDRESSES.items():
        names = re.findall(r"<(?:\w+:)?(\w+)>", route)
        if "GET" not in methods or "^" in route or not set(names) <= set(ids):
            continue
        path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids[found[1]], route)
        answer = client.get(path)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        watch.look(place, body)
        watch.look(f"{place}: headers", str(answer.headers))
        seen += answer.status_code == 200
    return seen


def crawl_admin(watch, client):
    for model in admin.site._registry:
        info = f"{model._meta.app_label}_{model._meta.model_name}"
        watch.look("admin", client.get(reverse(f"admin:{info}_changelist")).content)
        for row in model._default_manager.all()[:3]:
            answer = client.get(reverse(f"admin:{info}_change", args=[row.pk]))
            assert answer.status_code == 200, answer.content
            watch.look("admin", answer.content)


def fails(call):
    with pytest.raises(YouTubeError) as raised:
        call()
    return f"{raised.value} {raised.value!r}"


def test_planted_secrets_appear_nowhere(stage, log, settings):
    watch = Watch()
    for what, secret in {
        "a password": PASSWORD, "an own client's secret": OWN_SECRET,
        "the operator's client secret": CLIENT_SECRET, "a typed stream key": TYPED_KEY,
        "a code": WRONG_CODE, "the settings' key": settings.FIELD_ENCRYPTION_KEYS[0],
    }.items():  # fmt: skip
        watch.plant(what, secret)
    for name, secret in (("operator", CLIENT_SECRET), ("own", OWN_SECRET)):
        requested = {"id": f"{name}.apps", "secret": secret, "project": name}
        stage.act("clients", **requested)
    settings.GOOGLE_CLIENT_ID, settings.GOOGLE_CLIENT_SECRET = "operator.apps", CLIENT_SECRET

    # A person, with a password of theirs, and a program.
    browser = Client(raise_request_exception=False)
    email = "planter@example.org"
    signed_up = browser.post(
        "/accounts/signup/",
        {"email": email, "name": "P", "password1": PASSWORD, "password2": PASSWORD},
    )
    watch.look("page", signed_up.content)
    wrong = browser.post("/accounts/login/", {"login": email, "password": PASSWORD + "x"})
    watch.look("page", wrong.content)
    person = User.objects.filter(email=email).first() or services.create_user(
        email=email, password=PASSWORD, name="P"
    )
    person.is_staff = person.is_superuser = True
    person.save()
    browser.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    workspace = person.workspaces.get()
    _row, token = services.create_token(
        workspace=workspace, by=person, name="planted", scopes=list(Scope)
    )
    watch.plant("an API token", token)
    program = Client(headers={"authorization": f"Bearer {token}"}, raise_request_exception=False)

    # Connecting: wrong at first, then right; the same of an own client.
    back = stage.consent(browser, "/channels/connect/")
    watch.plant_of(stage)
    forged = browser.get(re.sub(r"code=[^&]+", f"code={WRONG_CODE}", back), follow=True)
    watch.look("page", forged.content)
    watch.look("page", browser.get(back).content)
    channel = stage.connect(browser, who=HARBOUR)
    watch.plant_of(stage)
    answer = browser.post(
        "/channels/client/",
        {"client_id": "own.apps", "secret": OWN_SECRET, "units_per_day": "many"},
    )
    assert answer.status_code == 422
    watch.look("page", answer.content)
    browser.post(
        "/channels/client/", {"client_id": "own.apps", "secret": OWN_SECRET, "units_per_day": "900"}
    )
    stage.connect(browser, who=NIGHT)
    watch.plant_of(stage)

    # Live, with a destination that was typed in, through lost answers and outages.
    stream = make_stream(workspace, person)
    told = program.post(
        f"/api/v1/streams/{stream.pk}/destinations",
        {"address": "rtmp://nowhere.invalid/live", "key": TYPED_KEY},
        content_type="application/json",
    )
    watch.look("problem", told.content)
    browser.post(
        f"/streams/{stream.pk}/destinations/new/",
        {"service": "custom", "address": f"rtmp://x.invalid/app/{TYPED_KEY}", "key": TYPED_KEY},
    )
    stream_manager.add_destination(
        stream=stream, address="rtmps://a.rtmps.youtube.com:443/live2", key=TYPED_KEY
    )
    show = shows.describe(
        workspace=workspace, subject=stream.pk, name="Rain", channel=channel, policy="archives"
    )
    stage.set(lost_answers=0.3, api_errors=0.2)
    shows.go_live(show=show)
    stage.run(seconds=90)
    stage.set(lost_answers=0.0, api_errors=0.0)
    stage.run(until=lambda: Show.objects.get(pk=show.pk).on_air == "live", seconds=600)
    watch.plant_of(stage)
    key = IngestKey.objects.get()
    watch.plant("the stream key in use", key.key)
    Output.objects.update(error_text="The ingest refused us.", error_code="ingest.key_rejected")

    # A second key, a new sealing of everything, tokens that run out, refusals of all kinds.
    new = base64.urlsafe_b64encode(b"n" * 32).decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, *settings.FIELD_ENCRYPTION_KEYS]
    watch.plant("the new settings' key", new)
    tasks.prune()
    stage.act(f"streams/{key.youtube_id}/new-key")
    stage.skip(3500)
    tokens.access_token(channel)
    watch.plant_of(stage)
    stage.run(seconds=120)
    stage.set(oauth="down")
    stage.skip(3600)
    errors = [fails(lambda: connecting.check_eligibility(channel=channel))]
    for browser_path in (f"/channels/{channel.pk}/check/", f"/streams/{stream.pk}/youtube/live/"):
        watch.look("page", browser.post(browser_path, follow=True).content)
    watch.look("problem", program.post(f"/api/v1/channels/{channel.pk}/check").content)
    stage.set(oauth="up")
    for grant in stage.state()["grants"]:
        stage.act(f"grants/{grant['id']}/revoke")
    errors.append(fails(lambda: connecting.check_eligibility(channel=channel)))
    watch.look("problem", program.post(f"/api/v1/channels/{channel.pk}/check").content)
    for task in (tasks.sweep, tasks.test_channels, tasks.send_mail_alerts):
        task.apply()
    stage.skip(60)
    tasks.send_mail_alerts.apply()
    watch.look("errors", " ".join(errors))

    # Everything that can be looked at, before and after a fault of our own.
    ids = {
        "stream_id": str(stream.pk), "channel_id": str(channel.pk),
        "output_id": str(stream.outputs.first().pk), "playlist_id": str(stream.playlist_id),
        "item_id": str(stream.playlist.items.first().pk),
        "asset_id": str(stream.playlist.items.first().asset_id),
    }  # fmt: skip
    for path in ("/channels/", channel.get_absolute_url(), f"/streams/{stream.pk}/youtube/"):
        watch.look("page", browser.get(path).content)
    # It tells of every variable that a template does not find, with a traceback.
    logging.getLogger("django.template").setLevel(logging.INFO)
    connection.force_debug_cursor = False
    assert crawl(watch, browser, ids, "page") > 30
    assert crawl(watch, program, ids, "API") > 10
    crawl_admin(watch, browser)
    metrics = Client().get("/metrics")
    assert metrics.status_code == 200
    watch.look("metrics", metrics.content)
    Channel.objects.filter(pk=channel.pk).update(
        sealed_refresh_token=Channel.objects.exclude(pk=channel.pk).get().sealed_refresh_token,
        sealed_access_token="", state="connected",
    )  # fmt: skip
    for client, path in (
        (browser, f"/channels/{channel.pk}/check/"),
        (program, f"/api/v1/channels/{channel.pk}/check"),
    ):
        broken = client.post(path)
        assert broken.status_code == 500
        watch.look("error page", broken.content)

    dump_database(watch)
    dump_cache_and_broker(watch, settings)
    assert mail.outbox
    for message in mail.outbox:
        watch.look("mail", f"{message.subject} {message.body}")
    watch.look("log", log.getvalue())
    logged = {line.get("logger", "") for line in map(json.loads, log.getvalue().splitlines())}
    assert {"urllib3.connectionpool", "django.db.backends"} <= logged
    assert any(name.startswith("celery") for name in logged)
    assert set(watch.planted.values()) >= {
        "a password", "an API token", "a code", "a refresh token", "an access token",
        "a stream key",
    }  # fmt: skip
    assert {"broker", "redis"} & set(watch.places)
    # In the error page, the admin, and all the others, something was there to look through.
    empty = [place for place, characters in watch.places.items() if not characters]
    assert [place for place in empty if not place.startswith("database")] == []
    assert sorted(set(watch.found)) == []


@pytest.mark.parametrize(
    "carried",
    [
        "key {}", '{{"token": "{}"}}', "Authorization: Bearer {}",
    ],
)  # fmt: skip
def test_the_search_finds_what_is_there(carried):
    watch = Watch()
    watch.plant("it", "planted-secret-of-a-test")
    text = carried.format("planted-secret-of-a-test")
    for form in (
        text,
        base64.b64encode(text.encode()),
        base64.urlsafe_b64encode(b"yy" + text.encode()),
    ):
        watch.found.clear()
        watch.look("here", form)
        assert watch.found == ["it in here"]
