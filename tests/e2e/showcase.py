"""The product's web with a workspace in every state, at a moment that does not pass.

    python -m tests.e2e.showcase DATA_DIR PORT [--locale | --hostile]

Serves until it is ended. The rows come from the services as far as a service can make them; what
only workers and nodes write is written here as they would. `--locale` puts the generated language
of `tests.e2e.pseudo` over every text. `--hostile` gives names that try to run, to turn the line
round, or to break the page.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

MOMENT = datetime(2026, 3, 14, 21, 42, 10, tzinfo=UTC)
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile Safari/604.1"
PASSWORD = "correct horse battery staple"
INGEST = "rtmp://127.0.0.1:1935/live2"

# What people wrote: once in English, once in other letters.
WORDS = {
    "Night Harbour Radio": "Ночная гавань",
    "Field recordings": "Полевые записи",
    "Alice Marlow": "Алиса Марлоу",
    "Bob Ferrante": "Боб Ферранте",
    "Rain on a tin roof": "Дождь по крыше",
    "Night train to the coast": "Ночной поезд к морю",
    "Harbour before sunrise": "Гавань до рассвета",
    "Old lighthouse, eight hours": "Старый маяк, восемь часов",
    "Forest after the storm, recorded with four microphones along the river": (
        "Лес после грозы, записанный четырьмя микрофонами вдоль реки"
    ),
    "Snow on the pass": "Снег на перевале",
    "Empty station hall": "Пустой вокзал",
    "Fireplace": "Камин",
    "Piano in the next room": "Пианино за стеной",
    "Tape hiss and vinyl": "Шорох плёнки",
    "Holiday cut, final version 3": "Отпуск, третья версия",
    "Scanned slides": "Слайды",
    "Drone over the bay": "Над заливом",
    "Nights at sea": "Ночи на море",
    "Rain and storms": "Дожди и бури",
    "Music": "Музыка",
    "Evenings": "Вечера",
    "Mornings": "Утра",
    "Long nights": "Долгие ночи",
    "Songs of the night": "Песни ночи",
    "Not sorted yet": "Ещё не разобрано",
    "Harbour at night": "Гавань ночью",
    "Rain, always": "Всегда дождь",
    "Piano till dawn": "Пианино до рассвета",
    "Second service": "Второй сервис",
    "Fireplace channel": "Канал камина",
    "Sleep radio": "Радио для сна",
    "Forest, backup leg": "Лес, запасной",
    "Morning programme": "Утренняя программа",
    "Weekend special": "Выходные",
    "Christmas fireplace": "Рождественский камин",
}


HOSTILE = (
    "<script>window.broken = 1; alert(1)</script>",
    '"><img src=x onerror="window.broken=1;alert(1)">',
    "' onmouseover='alert(1)' autofocus onfocus='alert(1)",
    "=cmd|' /C calc'!A0 @SUM(1+1) +1 -1",
    "{{ 7*7 }}{% debug %}${7*7}<%= 7*7 %>",
    "\u202egnp.exe.\u202d \u2066reversed\u2069 \u200b\u200d\ufeff",
    "W" * 110,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 14,
    "Z\u0351\u0352\u0353\u0354\u0355\u0356a\u0357\u0358\u0359l\u0360\u0361\u0362g\u0363\u0364o" * 4,
    "</title></textarea></style></dialog><svg onload=alert(1)><a href=javascript:alert(1)>x</a>",
)
"""Names that people with bad intentions choose."""


def hostile_words() -> dict[str, str]:
    """For each thing that people name, a hostile name of its own."""
    return {
        known: f"{HOSTILE[n % len(HOSTILE)]}{n} {other}"[:120]
        for n, (known, other) in enumerate(WORDS.items())
    }


@dataclass
class Shown:
    """What the pages are about, by the names of the arguments in their addresses."""

    session: str = ""
    empty_session: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    streams: dict[str, str] = field(default_factory=dict)
    playlist: str = ""
    names: list[str] = field(default_factory=list)
    """What people called things, longest first: as they wrote it, and as it is kept."""


def main(arguments: list[str]) -> None:
    """Set up, say what there is, and serve."""
    data_dir, port = Path(arguments[0]).resolve(), int(arguments[1])
    pseudo = "--locale" in arguments
    os.environ |= {
        "ENV_FILE": "",
        "ENVIRONMENT": "test",
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "SECRET_KEY": "the showcase has no secrets and lives for minutes only",
        "FIELD_ENCRYPTION_KEYS": "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtMDA=",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "DATABASE_URL": f"sqlite:///{data_dir / 'db.sqlite3'}",
        "INGEST_SIMULATOR_URL": INGEST,
        "INGEST_SIMULATOR_HTTP": "http://127.0.0.1:1",
        "DESTINATION_ALLOWLIST": "127.0.0.1:1935",
        "LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    for name in ("REDIS_URL", "CELERY_BROKER_URL", "AWS_STORAGE_BUCKET_NAME"):
        os.environ.pop(name, None)

    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.utils import timezone

    if pseudo:
        from tests.e2e import pseudo as language

        language.install(data_dir / "locale")
        settings.LOCALE_PATHS = [str(data_dir / "locale")]
        settings.LANGUAGES = [(language.CODE, language.CODE)]
        settings.LANGUAGE_CODE = language.CODE
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    django.setup()
    timezone.now = lambda: MOMENT
    from allauth.mfa.totp.internal import auth as totp

    totp.generate_totp_secret = lambda *_, **__: "NIGHTHARBOURNIGHTHARBOURNIGHTHAR"
    if not (data_dir / "db.sqlite3").exists():
        call_command("migrate", interactive=False, verbosity=0)
    if not (data_dir / "static").exists():
        call_command("collectstatic", interactive=False, verbosity=0)
    words = hostile_words() if "--hostile" in arguments else {}
    shown = _Seed(data_dir, words, translated=pseudo).run()
    (data_dir / "showcase.json").write_text(json.dumps(shown.__dict__))

    import uvicorn

    uvicorn.run(
        "config.asgi:application",
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


class _Seed:
    """Fills the database. Imports wait until Django is set up."""

    def __init__(self, data_dir: Path, words: dict[str, str], *, translated: bool) -> None:
        self.data_dir = data_dir
        self.words = words
        self.translated = translated
        self.shown = Shown()
        self.serial = 0

    def said(self, text: str) -> str:
        """A person's own words."""
        return self.words.get(text, text)

    def run(self) -> Shown:
        """All rows, in one transaction."""
        from django.db import transaction

        with transaction.atomic():
            self.people()
            self.files()
            self.playlists()
            self.streams()
        from apps.core.lines import one_line

        names = {self.said(known) for known in WORDS}
        self.shown.names = sorted(names | {one_line(name) for name in names}, key=len)[::-1]
        return self.shown

    # -- people -----------------------------------------------------------------------------

    def people(self) -> None:
        """Alice with two workspaces, Bob on her team, Zoe who has only just signed up."""
        from apps.accounts import services
        from apps.accounts.models import Membership, Role, Workspace

        self.alice = services.create_user(
            email="alice@example.org", password=PASSWORD, name=self.said("Alice Marlow")
        )
        self.workspace = self.alice.workspaces.get()
        services.rename_workspace(workspace=self.workspace, name=self.said("Night Harbour Radio"))
        bob = services.create_user(
            email="bob@example.org", password=PASSWORD, name=self.said("Bob Ferrante")
        )
        member = Membership.objects.create(user=bob, workspace=self.workspace, role=Role.EDITOR)
        second = Workspace.objects.get(memberships__user=bob, memberships__role=Role.OWNER)
        services.rename_workspace(workspace=second, name=self.said("Field recordings"))
        Membership.objects.create(user=self.alice, workspace=second, role=Role.VIEWER)
        zoe = services.create_user(email="zoe@example.org", password=PASSWORD, name="")
        services.rename_workspace(
            workspace=zoe.workspaces.get(), name=self.said("Field recordings")
        )
        from allauth.account.models import EmailAddress

        for person in (self.alice, bob, zoe):
            EmailAddress.objects.get_or_create(
                user=person, email=person.email, defaults={"verified": True, "primary": True}
            )
        self.alice.is_staff = self.alice.is_superuser = True
        self.alice.save(update_fields=["is_staff", "is_superuser"])
        self.shown.ids["membership_id"] = str(member.pk)
        self.shown.session = self.signed_in(self.alice, self.workspace.slug)
        self.shown.empty_session = self.signed_in(zoe, "")
        self.signed_in(self.alice, self.workspace.slug, PHONE, "203.0.113.9")

    def signed_in(
        self, user: Any, workspace: str, browser: str = DESKTOP, ip: str = "127.0.0.1"
    ) -> str:
        """The key of a session, as if `user` had signed in with a browser."""
        from allauth.usersessions.models import UserSession
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
        from django.contrib.sessions.backends.cached_db import SessionStore

        from apps.accounts.access import SESSION_KEY as WORKSPACE_KEY

        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        if workspace:
            session[WORKSPACE_KEY] = workspace
        # Account pages that touch passwords and keys ask again after a while.
        session["account_authentication_methods_user"] = str(user.pk)
        session["account_authentication_methods"] = [
            {
                "method": "password",
                "at": 4_000_000_000.0,
                "email": user.email,
                "reauthenticated": True,
            }
        ]
        session.create()
        UserSession.objects.create(
            user=user, session_key=session.session_key, ip=ip, user_agent=browser,
            created_at=MOMENT - timedelta(days=2), last_seen_at=MOMENT,
        )  # fmt: skip
        return str(session.session_key)

    # -- library ----------------------------------------------------------------------------

    def files(self) -> None:
        """Files in every state that people meet."""
        plans: list[tuple[str, str, int, dict[str, Any]]] = [
            ("Rain on a tin roof", "ready", 3_724_000, {}),
            ("Night train to the coast", "ready", 2_948_000, {}),
            ("Harbour before sunrise", "ready", 5_412_000, {}),
            ("Old lighthouse, eight hours", "ready", 28_800_000, {}),
            ("Forest after the storm, recorded with four microphones along the river",
             "ready", 1_867_000, {}),
            ("Snow on the pass", "ready", 754_000, {"tall": True}),
            ("Empty station hall", "ready", 1_204_000, {}),
            ("Fireplace", "ready", 10_800_000, {}),
            ("Piano in the next room", "ready", 4_020_000, {"kind": "audio"}),
            ("Tape hiss and vinyl", "ready", 7_300_000, {"kind": "audio"}),
            ("Holiday cut, final version 3", "failed", 0, {}),
            ("Scanned slides", "running", 612_000, {"progress": 43}),
            ("Drone over the bay", "uploading", 0, {"offset": 61}),
        ]  # fmt: skip
        self.assets = {}
        for title, state, duration, more in reversed(plans):
            self.assets[title] = self.file(title, state, duration, **more)
        self.shown.ids["asset_id"] = str(self.assets["Rain on a tin roof"].pk)
        self.folders()

    def folders(self) -> None:
        """Three folders, one of them with files."""
        from apps.library import services

        made = [
            services.create_folder(workspace=self.workspace, name=self.said(name))
            for name in ("Nights at sea", "Rain and storms", "Music")
        ]
        rainy = [asset.pk for title, asset in self.assets.items() if "Rain" in title]
        services.move_assets(workspace=self.workspace, asset_ids=rainy, folder=made[1])
        self.shown.ids["folder_id"] = str(made[1].pk)

    def file(
        self, title: str, state: str, duration: int, *, kind: str = "video", tall: bool = False,
        progress: int = 0, offset: int = 0,
    ) -> Any:  # fmt: skip
        """One file with what was made of it."""
        from apps.library.models import (
            Asset,
            AssetState,
            Rendition,
            Track,
            TrackKind,
            TrackState,
            Upload,
        )
        from apps.library.preparation import AUDIO_PROFILE_ID

        self.serial += 1
        at = MOMENT - timedelta(hours=60 - 4 * self.serial, minutes=7 * self.serial)
        asset = Asset(
            workspace=self.workspace,
            uploaded_by=self.alice,
            title=self.said(title),
            original_name=f"{self.said(title)}.{'flac' if kind == 'audio' else 'mp4'}",
            size_bytes=duration * 640 or 734_003_200,
            duration_ms=duration or None,
        )
        if state == "uploading":
            asset.save()
            Upload.objects.create(
                asset=asset, length=734_003_200, offset=734_003_200 * offset // 100,
                expires_at=MOMENT + timedelta(days=1),
            )  # fmt: skip
        elif state == "failed":
            asset.state = AssetState.FAILED
            asset.failure_code = "source.not_media"
            asset.failure_message = self.said_by_us("The file is text.")
            asset.failure_advice = self.said_by_us("Choose a video or a sound.")
            asset.save()
        else:
            asset.state, asset.kind = AssetState.READY, kind
            asset.storage_key = f"sources/{self.serial}"
            if kind == "video":
                asset.width, asset.height = (1080, 1920) if tall else (1920, 1080)
                asset.thumbnail_key = self.thumbnail(self.serial, tall=tall)
            asset.save()
            done = state == "ready"
            video, audio = (
                Track.objects.create(
                    asset=asset, kind=track, profile=profile, size_bytes=duration * 500,
                    state=TrackState.READY if done else TrackState.RUNNING,
                    progress=100 if done else progress, frames=max(1, duration * 30 // 1000),
                    prefix=f"tracks/{self.serial}",
                )
                for track, profile in (
                    (TrackKind.VIDEO, self.profile()), (TrackKind.AUDIO, AUDIO_PROFILE_ID),
                )
            )  # fmt: skip
            if kind == "video" or done:
                Rendition.objects.create(
                    asset=asset, profile=self.profile(), video=video, audio=audio
                )
        Asset.objects.filter(pk=asset.pk).update(created_at=at, updated_at=at)
        return asset

    def said_by_us(self, text: str) -> str:
        """A text that a worker stored; workers have no reader whose language they could use."""
        return "".join(chr(0x0430 + ord(c) % 32) if c.isalpha() else c for c in text) if (
            self.translated
        ) else text  # fmt: skip

    def profile(self) -> str:
        """The house format of everything here."""
        from playout.media import video_profile

        return video_profile("1080p30-economy").id

    def thumbnail(self, n: int, *, tall: bool) -> str:
        """A small landscape, painted: sky, a sun, hills. Equal for equal `n`."""
        import io

        from django.core.files.base import ContentFile
        from django.core.files.storage import default_storage
        from PIL import Image, ImageDraw, ImageFilter

        width, height = (180, 320) if tall else (320, 180)
        image = Image.new("RGB", (width, height))
        draw = ImageDraw.Draw(image)
        top = [(22, 34, 66), (58, 42, 84), (18, 62, 72), (92, 58, 52), (30, 38, 48)][n % 5]
        low = [(206, 142, 96), (222, 168, 120), (150, 190, 186), (240, 178, 92), (120, 140, 160)][
            n % 5
        ]
        for y in range(height):
            share = y / height
            draw.line(
                [(0, y), (width, y)],
                fill=tuple(int(a * (1 - share) + b * share) for a, b in zip(top, low, strict=True)),
            )
        x, y, r = width * (3 + n * 5 % 11) // 16, height * (4 + n % 5) // 12, 10 + n * 3 % 12
        draw.ellipse([x - r, y - r, x + r, y + r], fill=(250, 236, 208))
        for hill in range(3):
            base, step = height * (7 + hill) // 10, 24 + 9 * ((n + hill) % 4)
            points = [(0, height), (0, base)]
            points += [
                (px, base - (n * 13 + hill * 7 + px * (n + 3)) % 26) for px in range(0, width, step)
            ]
            shade = tuple(int(part * (0.55 - 0.15 * hill)) for part in top)
            draw.polygon([*points, (width, base), (width, height)], fill=shade)
        out = io.BytesIO()
        image.filter(ImageFilter.GaussianBlur(0.8)).save(out, "JPEG", quality=82)
        return str(default_storage.save(f"thumbnails/{n}.jpg", ContentFile(out.getvalue())))

    # -- playlists and streams --------------------------------------------------------------

    def playlists(self) -> None:
        """Five, one of them empty."""
        from apps.streaming import stream_manager

        named = {
            "Evenings": ["Harbour before sunrise", "Night train to the coast", "Rain on a tin roof",
                         "Forest after the storm, recorded with four microphones along the river",
                         "Empty station hall"],
            "Mornings": ["Snow on the pass", "Harbour before sunrise", "Scanned slides"],
            "Long nights": ["Old lighthouse, eight hours", "Fireplace"],
            "Songs of the night": ["Piano in the next room", "Tape hiss and vinyl"],
            "Not sorted yet": [],
        }  # fmt: skip
        self.lists = {}
        for name, titles in named.items():
            made = stream_manager.create_playlist(workspace=self.workspace, name=self.said(name))
            stream_manager.add_items(playlist=made, assets=[self.assets[title] for title in titles])
            self.lists[name] = made
        self.shown.playlist = str(self.lists["Evenings"].pk)
        self.shown.ids["playlist_id"] = self.shown.playlist
        self.shown.ids["item_id"] = str(self.lists["Evenings"].items.all()[1].pk)

    def streams(self) -> None:
        """One in each state that a person can meet."""
        self.stream("Harbour at night", "Evenings", "on_air", kbps=4630, address=INGEST)
        self.stream("Rain, always", "Evenings", "on_air", kbps=4588)
        self.edited("Harbour at night")
        self.stream(
            "Piano till dawn", "Long nights", "on_air", kbps=4601, music="Songs of the night"
        )
        self.stream("Sleep radio", "Long nights", "degraded", kbps=2210)
        self.stream(
            "Forest, backup leg", "Long nights", "reconnecting",
            error=("network.connection_reset", "The receiver closed the connection."),
        )  # fmt: skip
        self.stream(
            "Fireplace channel", "Long nights", "failed",
            error=("ingest.key_rejected", "The receiver does not know this stream key."),
        )  # fmt: skip
        self.stream("Morning programme", "Mornings", "preparing")
        self.stream("Weekend special", "Mornings", "idle")
        self.stream("Christmas fireplace", None, "")
        self.channels()

    def channels(self) -> None:
        """Two channels, one of them to be connected again, and what is live on the first."""
        from apps.youtube.models import Alert, Broadcast, Channel, QuotaEntry, Show

        harbour, bay = (
            Channel.objects.create(
                workspace=self.workspace, youtube_id=f"UC{number}harbour0000000000000",
                title=self.said(title), handle=handle, state=state, eligibility="ready",
                state_since=MOMENT, checked_at=MOMENT, tested_at=MOMENT, is_verified=True,
            )
            for number, title, handle, state in (
                (1, "Night Harbour Radio", "@nightharbour", "connected"),
                (2, "Field recordings", "@fieldrecordings", "reconnect"),
            )
        )  # fmt: skip
        self.shown.ids["channel_id"] = str(harbour.pk)
        live = Show.objects.create(
            workspace=self.workspace, channel=harbour, subject=self.shown.ids["stream_id"],
            name=self.said("Harbour at night"), is_wanted=True, on_air="live",
            on_air_text="Viewers see it.", on_air_at=MOMENT, seen_at=MOMENT, viewers=214,
            health="ok",
            health_issues=[{"type": "bitrateLow", "severity": "warning", "item": ""}],
        )  # fmt: skip
        for number, lifecycle in enumerate(("complete", "live")):
            began = MOMENT - timedelta(days=3 - number)
            Broadcast.objects.create(
                workspace=self.workspace, channel=harbour, show=live, reason="start",
                youtube_id=f"harbour000{number}", title=live.name, privacy="public",
                scheduled_start=began, lifecycle=lifecycle, is_bound=True, live_at=began,
                ended_at=MOMENT if lifecycle == "complete" else None,
            )  # fmt: skip
        Alert.objects.create(
            workspace=self.workspace, code="channel.reconnect", about=str(bay.pk),
            name=bay.title, opened_at=MOMENT,
        )  # fmt: skip
        day = MOMENT.date()
        QuotaEntry.objects.create(project="operator", day=day, units=6411, calls=913)
        for method, calls, units, refused in (
            ("videos.list", 801, 801, 0), ("liveBroadcasts.insert", 4, 200, 0),
            ("liveStreams.list", 212, 212, 9),
        ):  # fmt: skip
            QuotaEntry.objects.create(
                project="operator", day=day, workspace=self.workspace, method=method,
                calls=calls, units=units, refused=refused,
            )  # fmt: skip

    def titles(self, stream: Any) -> None:
        """Titles of songs: ready, being prepared, and one that nobody can read here."""
        from apps.library.models import TitleCard, Track

        loop = Track.objects.filter(
            asset__playlist_items__playlist=stream.playlist_id, kind="video", profile=stream.profile
        ).first()
        states: dict[str, dict[str, Any]] = {
            "Piano in the next room": {"state": "ready", "prefix": "x", "ready_at": MOMENT},
            "Tape hiss and vinyl": {},
            "夜の港": {
                "state": "failed", "failure_code": "card.unreadable",
                "failure_message": "No font of this machine has the letter CJK UNIFIED "
                "IDEOGRAPH-591C.",
            },
        }  # fmt: skip
        for text, values in states.items():
            TitleCard.objects.create(
                loop=loop, text=self.said(text), style="band", group=0, frames=300,
                keep_until=MOMENT + timedelta(days=2), **values,
            )  # fmt: skip

    def stream(
        self, title: str, playlist: str | None, state: str, *, kbps: int = 0, address: str = "",
        error: tuple[str, str] = ("", ""), music: str = "",
    ) -> None:  # fmt: skip
        """A stream, and what a node reports of it."""
        from apps.streaming import events, stream_manager
        from apps.streaming.models import Output, Stream

        self.serial += 1
        if state and not address:
            address = "rtmps://a.rtmps.youtube.com:443/live2"
        stream = stream_manager.create_stream(
            workspace=self.workspace,
            title=self.said(title),
            playlist=self.lists[playlist] if playlist else None,
            profile=self.profile(),
            address=address,
            key=f"abcd-efgh-{self.serial:04}-7q2x" if address else "",
            by=self.alice,
            music=self.lists[music] if music else None,
            title_cards="band" if music else "",
            filler=self.lists["Long nights"] if title == "Harbour at night" else None,
            shuffle=title == "Harbour at night",
        )
        if music:
            self.titles(stream)
        # Shuffled alike in each run.
        stream.seed = self.serial
        stream.save(update_fields=["seed"])
        self.shown.streams.setdefault("radio" if music else state or "bare", str(stream.pk))
        if state == "on_air":
            self.shown.ids.setdefault("stream_id", str(stream.pk))
            self.shown.ids.setdefault("output_id", str(stream.outputs.get().pk))
        began = MOMENT - timedelta(days=2, hours=5, minutes=17, seconds=41)
        stream.events.update(at=began - timedelta(minutes=9))
        if state in ("", "idle"):
            return
        stream_manager.start_stream(stream=stream, by=self.alice)
        stream.events.filter(code="stream.start_requested").update(at=began - timedelta(seconds=4))
        Stream.objects.filter(pk=stream.pk).update(started_at=began)
        items = stream.versions.get(kind="pictures").items
        on_air = state in ("on_air", "degraded")
        Output.objects.filter(stream=stream).update(
            node="node-1", token=3, expires_at=MOMENT + timedelta(seconds=17), state=state,
            reported_generation=1, reported_at=MOMENT - timedelta(seconds=1),
            on_air_since=began if on_air else None, connected_at=began if on_air else None,
            kbps=kbps, bytes_sent=110_482_330_112 if on_air else 0, reconnects=1 if on_air else 0,
            bytes_acked=110_482_321_920 if on_air else 0, unsent_bytes=8_192 if on_air else 0,
            joins=44 if on_air else 0, late_ms=0.4 if on_air else 0,
            item_id=items[1]["id"] if on_air else "", item_position_ms=1_294_000 if on_air else 0,
            next_item_id=items[2 % len(items)]["id"] if on_air else "",
            error_code=error[0], error_text=error[1],
            retry_at=MOMENT + timedelta(seconds=24) if state == "reconnecting" else None,
        )  # fmt: skip
        output = stream.outputs.get()
        self.measured(output, kbps, gap=state == "on_air")
        if on_air:
            self.aired(output, items)
        log = [
            ("session.on_air", f"On air at {output.destination.name}.", began),
            ("session.lost", "The receiver closed the connection.", began + timedelta(hours=26)),
            ("session.on_air", f"On air at {output.destination.name}.",
             began + timedelta(hours=26, seconds=3)),
        ]  # fmt: skip
        if state == "degraded":
            log.append(("session.degraded", "The line is slow.", MOMENT - timedelta(minutes=4)))
        if state == "failed":
            log.append(("output.failed", error[1], MOMENT - timedelta(minutes=2)))
        for code, text, at in log:
            events.record(stream, code, text, output=output, at=at)

    def edited(self, title: str) -> None:
        """It goes to a second service as well, which refuses its key; and was skipped just now."""
        from apps.streaming import stream_manager
        from apps.streaming.models import Output, Stream

        stream = Stream.objects.get(title=self.said(title))
        second = stream_manager.add_destination(
            stream=stream, address="rtmps://live.twitch.tv:443/app", key="live-4411-7q2x-77aa-90cd",
            name=self.said("Second service"), by=self.alice,
        )  # fmt: skip
        Output.objects.filter(pk=second.pk).update(
            # The clock stands still, and who comes second should stand second.
            created_at=MOMENT + timedelta(seconds=1),
            node="node-1", token=1, expires_at=MOMENT + timedelta(seconds=17),
            state="reconnecting", reported_generation=9, reported_at=MOMENT,
            error_code="ingest.key_rejected",
            error_text="The ingest refused the stream key. Check the stream key; it may be wrong "
            "or in use elsewhere. We keep trying.",
            retry_at=MOMENT + timedelta(seconds=24),
        )  # fmt: skip
        self.measured(second, 0, hours=1)
        stream_manager.skip(stream=stream, by=self.alice)

    def aired(self, output: Any, items: list[dict[str, Any]]) -> None:
        """The last items that it got, one of them replaced."""
        from apps.streaming.models import AsRun

        epoch = output.stream.versions.all()[0].epoch
        began = MOMENT - timedelta(milliseconds=1_294_000)
        ended: datetime | None = None
        for n in range(6):
            item = items[(1 - n) % len(items)]
            AsRun.objects.create(
                output=output, token=3, epoch=epoch, start_frame=9000 - n,
                end_frame=None if ended is None else 9001 - n, item_id=item["id"],
                title=item["title"], cause="track.not_found" if n == 3 else "",
                started_at=began, ended_at=ended,
            )  # fmt: skip
            ended, began = began, began - timedelta(milliseconds=item["frames"] * 1000 // 30)

    def measured(self, output: Any, kbps: int, *, hours: int = 7, gap: bool = False) -> None:
        """What it acknowledged minute by minute, with a reconnect and a minute of silence."""
        from apps.streaming import samples
        from apps.streaming.models import Sample

        rows: dict[datetime, tuple[list[Any], list[Any]]] = {}
        for ago in range(60 * hours, 0, -1):
            at = MOMENT - timedelta(minutes=ago)
            rate = kbps and kbps - 40 + 17 * (ago * ago % 7)
            waiting = 9_000 + 3_000 * (ago * ago % 5) if kbps else 0
            if gap and ago in (131, 132):
                rate, waiting = rate // 3, 498_000
            if gap and ago in (213, 214, 215):
                continue
            hour = samples.hour_of(at)
            rates, waits = rows.get(hour, ([], []))
            rows[hour] = samples.noted(rates, at, rate), samples.noted(waits, at, waiting)
        Sample.objects.bulk_create(
            Sample(output=output, hour=hour, acked_kbps=rates, unsent_bytes=waits)
            for hour, (rates, waits) in rows.items()
        )


if __name__ == "__main__":
    main(sys.argv[1:])
