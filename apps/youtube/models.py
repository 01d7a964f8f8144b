"""Tables of the YouTube app.

A `Show` is what somebody wishes to be live on a channel; its `Broadcast` rows are written before
YouTube is asked, so that a lost answer leaves a row to reconcile. Nothing happens in `save()`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Role
from apps.core.fields import row_secret
from apps.core.models import Identified, Record

OUR_SENTENCES = frozenset(
    {
        gettext_noop("The broadcast is being ended."),
        gettext_noop("YouTube has removed the broadcast."),
        gettext_noop("The broadcast has ended."),
        gettext_noop("Nothing is sent."),
        gettext_noop("YouTube has removed the broadcast. Look in YouTube Studio why."),
        gettext_noop("YouTube has ended the broadcast while we were sending."),
        gettext_noop("The broadcast was deleted while we were sending."),
        gettext_noop("The broadcast was ended on YouTube."),
        gettext_noop("Viewers see it."),
        gettext_noop("The broadcast is live, but nothing of ours arrives in it."),
        gettext_noop("The broadcast is live, but YouTube refuses the stream key."),
        gettext_noop("The broadcast is live; we are connecting to it again."),
        gettext_noop("YouTube is starting the broadcast."),
        gettext_noop("YouTube refuses the stream key."),
        gettext_noop("The broadcast is about to go live."),
        gettext_noop("The broadcast is ready and waits for our picture."),
        gettext_noop("The broadcast is being set up."),
    }
)
"""What is written into rows in English, and shown in the reader's language."""

STUCK = "stuck"
"""`error_code` of a broadcast that hung while starting."""

ENDED_AS_WISHED = "The broadcast has ended."
"""What is said of a show whose end was wished here."""

OPERATOR = "operator"
"""The project that belongs to whoever runs this installation."""


class OAuthClient(Record):
    """A workspace's own Google project: its consent screen and its quota."""

    workspace = models.OneToOneField(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="oauth_client"
    )
    client_id = models.CharField(max_length=200)
    sealed_secret = models.TextField()
    secret = row_secret("sealed_secret")
    units_per_day = models.PositiveIntegerField(default=10_000)

    def __str__(self) -> str:
        return self.client_id

    @property
    def project(self) -> str:
        """What the quota ledger calls it."""
        return f"client:{self.pk}"


class ChannelState(models.TextChoices):
    """How our access to a channel is."""

    CONNECTED = "connected", _("Connected")
    RECONNECT = "reconnect", _("Needs to be connected again")
    DISCONNECTED = "disconnected", _("Disconnected")


class Eligibility(models.TextChoices):
    """Whether YouTube lets the channel go live."""

    UNKNOWN = "unknown", _("Not checked yet")
    READY = "ready", _("May go live")
    NOT_ENABLED = "not_enabled", _("Live streaming is not enabled")
    BARRED = "barred", _("Barred from live streaming")
    CLOSED = "closed", _("Closed or suspended")


class Channel(Record):
    """A YouTube channel that gave a workspace access; its tokens are never shown."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="channels"
    )
    client = models.ForeignKey(
        OAuthClient, null=True, blank=True, on_delete=models.PROTECT, related_name="channels"
    )
    """Whose consent screen it was; None for the operator's."""
    youtube_id = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    handle = models.CharField(max_length=100, blank=True)
    connected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    state = models.CharField(
        max_length=12, choices=ChannelState.choices, default=ChannelState.CONNECTED
    )
    state_since = models.DateTimeField()
    scopes = models.JSONField(default=list)
    sealed_refresh_token = models.TextField(blank=True)
    refresh_token = row_secret("sealed_refresh_token")
    sealed_access_token = models.TextField(blank=True)
    access_token = row_secret("sealed_access_token")
    access_expires_at = models.DateTimeField(null=True)
    refreshing_until = models.DateTimeField(null=True)
    """Somebody is asking for a new access token; nobody else does before this."""
    tested_at = models.DateTimeField(null=True)

    eligibility = models.CharField(
        max_length=12, choices=Eligibility.choices, default=Eligibility.UNKNOWN
    )
    is_verified = models.BooleanField(null=True)
    """Whether its owner gave a phone number; None when YouTube did not say."""
    checked_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    """When YouTube last told its title and the like."""
    forgotten_at = models.DateTimeField(null=True)
    """When what YouTube told of it was deleted; `youtube_id` then is a keyed hash."""

    role: Role
    """What the person who asks may do with it; set by `access`."""

    class Meta:
        ordering = ["title", "created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["youtube_id"],
                condition=~Q(state="disconnected"),
                name="youtube_channel_of_one_workspace",
            ),
            models.UniqueConstraint(
                fields=["workspace", "youtube_id"], name="youtube_channel_once_per_workspace"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="youtube_channel_newest")
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("youtube:channel", args=[self.pk])

    @property
    def is_connected(self) -> bool:
        """Whether we have access, as far as we know."""
        return self.state == ChannelState.CONNECTED

    @property
    def project(self) -> str:
        """Whose quota calls for it cost."""
        return f"client:{self.client_id}" if self.client_id else OPERATOR


class ConnectionAttempt(Record):
    """Somebody went to Google's consent screen; good for one return within ten minutes."""

    LIFETIME = timedelta(minutes=10)

    workspace = models.ForeignKey("accounts.Workspace", on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    state_digest = models.CharField(max_length=64, unique=True)
    session_digest = models.CharField(max_length=64)
    """Of a value that only the session it began in holds."""
    client = models.ForeignKey(OAuthClient, null=True, on_delete=models.CASCADE, related_name="+")
    channel = models.ForeignKey(Channel, null=True, on_delete=models.CASCADE, related_name="+")
    """The one to connect again; None for a new one."""
    sealed_verifier = models.TextField()
    verifier = row_secret("sealed_verifier")

    def __str__(self) -> str:
        return f"of {self.user_id} at {self.created_at}"


class Privacy(models.TextChoices):
    """Who may see a broadcast."""

    PUBLIC = "public", _("Public")
    UNLISTED = "unlisted", _("Unlisted")
    PRIVATE = "private", _("Private")


class Latency(models.TextChoices):
    """How far viewers are behind; a longer way hides reconnects."""

    NORMAL = "normal", _("Normal (best for 24/7)")
    LOW = "low", _("Low")
    ULTRA_LOW = "ultraLow", _("Ultra low")


class Policy(models.TextChoices):
    """Whether the address stays or the archive does."""

    FOREVER = "forever", _("One address for ever, no archive beyond 12 hours")
    ARCHIVES = "archives", _("Archives: a new broadcast before each 11 h 30 min")


class OnEnd(models.TextChoices):
    """What to do when YouTube, or somebody in Studio, ends the broadcast."""

    REPLACE = "replace", _("Begin a new broadcast (at most 3 in 24 hours)")
    STOP = "stop", _("Stop the stream and tell us")


class OnAir(models.TextChoices):
    """YouTube's side of a show."""

    UNKNOWN = "unknown", _("Not known")
    LIVE = "live", _("Live on YouTube")
    ENDED = "ended", _("Ended on YouTube")
    BLOCKED = "blocked", _("Blocked by YouTube")


class Doubt(models.TextChoices):
    """Why what is known of a show could not be read anew."""

    NONE = "", ""
    SILENT = "silent", _("YouTube's API does not answer.")
    QUOTA = "quota", _("The YouTube quota of today is used up.")
    ACCESS = "access", _("The channel has to be connected again.")


class Show(Record):
    """What somebody wishes to be live on a channel: how it is described, and how it is kept."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="shows"
    )
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="shows")
    subject = models.UUIDField(unique=True)
    """What is sent: an id of whoever answers `signals.encoder_asked`."""
    name = models.CharField(max_length=120)
    """Of the subject; what `{stream}` in the texts stands for."""

    title = models.CharField(max_length=100, default="{stream}")
    description = models.TextField(blank=True, max_length=4500)
    tags = models.CharField(max_length=400, blank=True)
    """Separated by commas."""
    category_id = models.CharField(max_length=4, default="24")
    privacy = models.CharField(max_length=8, choices=Privacy.choices, default=Privacy.PUBLIC)
    made_for_kids = models.BooleanField(default=False)
    latency = models.CharField(max_length=8, choices=Latency.choices, default=Latency.NORMAL)
    dvr = models.BooleanField(default=True)
    thumbnail = models.BinaryField(default=bytes)
    """A JPEG or PNG of at most 2 MB; empty for none."""
    after_privacy = models.CharField(max_length=8, choices=Privacy.choices, blank=True)
    """Of the archive, once a broadcast has ended; empty to leave it."""
    after_title = models.CharField(max_length=100, blank=True)
    """Of the archive; empty to leave it."""
    after_playlist = models.CharField(max_length=64, blank=True)
    """Id of the channel's playlist that the archive is put into; empty for none."""
    policy = models.CharField(max_length=8, choices=Policy.choices, default=Policy.FOREVER)
    on_end = models.CharField(max_length=8, choices=OnEnd.choices, default=OnEnd.REPLACE)

    # Desired.
    is_wanted = models.BooleanField(default=False)
    is_rehearsal = models.BooleanField(default=False)
    """Unlisted, whatever `privacy` says."""
    is_start_pending = models.BooleanField(default=False)
    """The subject starts as soon as there is a key for it."""
    wanted_since = models.DateTimeField(null=True)

    # Reported.
    busy_until = models.DateTimeField(null=True)
    """Somebody works on it; nobody else does before this."""
    look_at = models.DateTimeField(null=True)
    """When there is something to do next; None when only the sweep looks."""
    failures = models.PositiveIntegerField(default=0)
    """Of calls, in a row."""
    shares_key = models.BooleanField(default=True)
    """Whether YouTube takes two live broadcasts on one key here; learned when it refuses."""
    encoder = models.CharField(max_length=8, blank=True)
    """What its owner said of our side at the last look: a word of `truth.Encoder`."""
    encoder_since = models.DateTimeField(null=True)
    on_air = models.CharField(max_length=8, choices=OnAir.choices, default=OnAir.UNKNOWN)
    on_air_text = models.CharField(max_length=300, blank=True)
    on_air_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    """When YouTube last said that it is live."""
    doubt = models.CharField(max_length=8, choices=Doubt.choices, default=Doubt.NONE, blank=True)
    """Why it could not be asked since."""
    viewers = models.PositiveIntegerField(null=True)
    health = models.CharField(max_length=12, blank=True)
    health_issues = models.JSONField(default=list)
    """List of {type, severity, item, at}."""
    health_at = models.DateTimeField(null=True)

    role: Role
    is_old: bool = False
    """It was live when it was last seen, which is a while ago; set by `selectors`."""

    class Meta:
        ordering = ["name", "created_at"]
        indexes = [models.Index(fields=["is_wanted", "look_at"], name="youtube_show_due")]

    def __str__(self) -> str:
        return self.name

    @property
    def was_cut(self) -> bool:
        """Whether YouTube, or somebody in Studio, ended it, and not a wish of ours."""
        return self.on_air == OnAir.ENDED and self.on_air_text != ENDED_AS_WISHED

    @property
    def doubt_said(self) -> str:
        """Why nobody has seen since whether it is live, in the reader's language."""
        if self.doubt:
            return str(Doubt(self.doubt).label)
        return gettext("We have not looked since.")

    @property
    def is_said_by_us(self) -> bool:
        """Whether the sentence is one of ours, which can be translated."""
        return not self.on_air_text or self.on_air_text in OUR_SENTENCES

    @property
    def said(self) -> str:
        """One sentence about what is on air, in the reader's language."""
        return gettext(self.on_air_text) if self.on_air_text else gettext("Nothing is known yet.")


class Sent(models.TextChoices):
    """A call that was begun and not yet answered, or whose answer was lost."""

    NOTHING = "", ""
    INSERT = "insert", "insert"
    BIND = "bind", "bind"
    SETTLE = "settle", "settle"
    TESTING = "testing", "testing"
    LIVE = "live", "live"
    COMPLETE = "complete", "complete"
    DELETE = "delete", "delete"
    THUMBNAIL = "thumbnail", "thumbnail"
    VIDEO = "video", "video"
    PLAYLIST = "playlist", "playlist"


class Intended(Record):
    """A row that says what is about to be asked before it is asked."""

    sent = models.CharField(max_length=10, choices=Sent.choices, default=Sent.NOTHING, blank=True)
    sent_at = models.DateTimeField(null=True)
    doubted_at = models.DateTimeField(null=True)
    """When a read first said that what was sent did not happen."""

    class Meta:
        abstract = True


class IngestKey(Intended):
    """A reusable liveStream: an ingest point whose key stays, whatever is broadcast from it."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="ingest_keys"
    )
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="ingest_keys")
    show = models.ForeignKey(Show, null=True, on_delete=models.SET_NULL, related_name="keys")
    n = models.PositiveSmallIntegerField(default=1)
    """2 for the one that takes over where one key cannot be shared."""
    youtube_id = models.CharField(max_length=64, blank=True)
    marker = models.CharField(max_length=128)
    """Its title at YouTube, which nobody but its owner sees; unlike all others."""
    address = models.CharField(max_length=500, blank=True)
    backup_address = models.CharField(max_length=500, blank=True)
    sealed_key = models.TextField(blank=True)
    key = row_secret("sealed_key")
    is_open = models.BooleanField(default=False)
    """Something is being sent to it, or shall be."""

    ingest = models.CharField(max_length=10, blank=True)
    """`streamStatus` when it was last read."""
    ingest_at = models.DateTimeField(null=True)
    active_at = models.DateTimeField(null=True)
    """When it was first read as active since it was opened."""

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["show", "n"],
                condition=Q(show__isnull=False),
                name="youtube_key_once_per_show",
            )
        ]

    def __str__(self) -> str:
        return self.marker


class Reason(models.TextChoices):
    """Why a broadcast was made."""

    START = "start", _("Started")
    ROTATION = "rotation", _("Followed on for the archive")
    REPAIR = "repair", _("Replaced one that ended")
    ADOPTED = "adopted", _("Was there already")


LIFECYCLE_SAID = {
    "": _("Being made"),
    "created": _("Being set up"),
    "ready": _("Ready"),
    "testStarting": _("Being tested"),
    "testing": _("Being tested"),
    "liveStarting": _("Going live"),
    "live": _("Live"),
    "complete": _("Ended"),
    "revoked": _("Removed by YouTube"),
    "missing": _("Deleted"),
}
"""What people read for each `lifeCycleStatus`."""


class Broadcast(Intended):
    """One event at YouTube, which is one video; written before it is asked for."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="broadcasts"
    )
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="broadcasts")
    show = models.ForeignKey(Show, null=True, on_delete=models.SET_NULL, related_name="broadcasts")
    ingest_key = models.ForeignKey(
        IngestKey, null=True, on_delete=models.SET_NULL, related_name="broadcasts"
    )
    reason = models.CharField(max_length=10, choices=Reason.choices)
    youtube_id = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=100)
    privacy = models.CharField(max_length=8, choices=Privacy.choices)
    scheduled_start = models.DateTimeField()
    """To the second, and unlike that of every other broadcast of the channel: with the title it
    tells one that was made while the answer was lost."""

    is_wanted = models.BooleanField(default=True)
    """Live, or else gone."""
    not_before = models.DateTimeField(null=True)
    """It goes live then."""
    lifecycle = models.CharField(max_length=14, blank=True)
    """`lifeCycleStatus`, the furthest that was ever read or answered."""
    is_bound = models.BooleanField(default=False)
    has_monitor = models.BooleanField(default=False)
    """It has to be tested before it may go live; only adopted ones do."""
    is_unsettled = models.BooleanField(default=False)
    """Adopted, and its settings may still start or end it without us."""
    told = models.JSONField(default=dict)
    """What YouTube was told of its texts last: title, description, categoryId, tags, privacyStatus.
    Reads are behind by seconds; so this goes before what they say."""
    told_at = models.DateTimeField(null=True)
    has_thumbnail = models.BooleanField(default=False)
    """The one of its show was asked for, if there was one; likewise its tags."""
    has_tags = models.BooleanField(default=False)
    lifecycle_at = models.DateTimeField(null=True)
    """Since when it is in that state, as far as we know."""
    read_at = models.DateTimeField(null=True)
    missing_at = models.DateTimeField(null=True)
    """When a read first said that it is not there."""
    is_suspect = models.BooleanField(default=False)
    """The sweep did not see it live."""
    live_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    """Nothing is to be done about it any more."""
    error_code = models.CharField(max_length=64, blank=True)
    """`stuck` when it was given up because it hung while starting."""
    error_text = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "scheduled_start"], name="youtube_broadcast_told_apart"
            ),
            models.UniqueConstraint(
                fields=["youtube_id"], condition=~Q(youtube_id=""), name="youtube_broadcast_once"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("created_at")),
                name="youtube_broadcast_ends_after_it_begins",
            ),
        ]
        indexes = [
            models.Index(fields=["show", "ended_at"], name="youtube_broadcast_open"),
            models.Index(fields=["channel", "-created_at"], name="youtube_broadcast_newest"),
        ]

    def __str__(self) -> str:
        return self.youtube_id or f"planned {self.pk}"

    @property
    def state_said(self) -> str:
        """Its lifecycle in the reader's words."""
        return str(LIFECYCLE_SAID[self.lifecycle])

    @property
    def watch_url(self) -> str:
        """Where viewers see it; empty before YouTube gave it an id."""
        return f"{settings.YOUTUBE_WATCH_BASE}{self.youtube_id}" if self.youtube_id else ""


class Origin(models.TextChoices):
    """Why something is changed at YouTube."""

    ASKED = "asked", _("Somebody asked")
    START = "start", _("It went live")
    END = "end", _("It ended")


class ChangeState(models.TextChoices):
    """How far a change is."""

    PENDING = "pending", _("Waiting")
    APPLIED = "applied", _("Changed at YouTube")
    REFUSED = "refused", _("Not changed")
    REPLACED = "replaced", _("Part of a later change")


class Change(Intended):
    """What shall be different about a broadcast or its archive; what it wishes never changes."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="youtube_changes"
    )
    broadcast = models.ForeignKey(Broadcast, on_delete=models.CASCADE, related_name="changes")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    origin = models.CharField(max_length=5, choices=Origin.choices)
    wish = models.JSONField(default=dict)
    """Of title, description, categoryId, tags, privacyStatus and playlist those that change."""
    thumbnail = models.BinaryField(default=bytes)
    """A JPEG or PNG; empty to leave the present one."""
    todo = models.JSONField(default=list)
    """Parts that are left, of video, thumbnail and playlist: each is one call."""
    state = models.CharField(max_length=8, choices=ChangeState.choices, default=ChangeState.PENDING)
    said = models.CharField(max_length=300, blank=True)
    """Why it waits, or what was refused."""
    is_refused = models.BooleanField(default=False)
    """A part was; the others are carried out all the same."""
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["broadcast", "state"], name="youtube_change_waiting")]

    def __str__(self) -> str:
        return f"{', '.join(self.wish) or 'picture'} of {self.broadcast_id}"


class ViewerHour(models.Model):
    """How many watched a show in one hour, a number a minute."""

    id = models.BigAutoField(primary_key=True)
    show = models.ForeignKey(Show, on_delete=models.CASCADE, related_name="viewer_hours")
    hour = models.DateTimeField()
    minutes = models.JSONField(default=list)
    """At most sixty; null where nobody asked, or YouTube did not say."""

    class Meta:
        ordering = ["hour"]
        constraints = [
            models.UniqueConstraint(fields=["show", "hour"], name="youtube_viewers_once_an_hour")
        ]

    def __str__(self) -> str:
        return f"{self.show_id} from {self.hour:%Y-%m-%d %H:%M}"


class QuotaEntry(models.Model):
    """Units of one project on one Pacific day: of a workspace and method, or, blank, of all."""

    id = models.BigAutoField(primary_key=True)
    project = models.CharField(max_length=64)
    day = models.DateField()
    """By the clock of California."""
    workspace = models.ForeignKey(
        "accounts.Workspace", null=True, on_delete=models.CASCADE, related_name="+"
    )
    method = models.CharField(max_length=40, blank=True)
    units = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    """Calls that we left out to stay within the quota."""
    exhausted_at = models.DateTimeField(null=True)
    """When Google said that nothing is left; only in the row of all."""
    probed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-day", "project", "method"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "day"],
                condition=Q(workspace__isnull=True),
                name="youtube_quota_one_total",
            ),
            models.UniqueConstraint(
                fields=["project", "day", "workspace", "method"],
                condition=Q(workspace__isnull=False),
                name="youtube_quota_once_per_method",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.units} of {self.project} on {self.day}"


class Alert(Identified):
    """Something that only a person can mend; mailed once, and again after a day."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="alerts"
    )
    code = models.CharField(max_length=40)
    about = models.CharField(max_length=64)
    """Id of the channel or the show."""
    name = models.CharField(max_length=200)
    """Of what it is about, for people."""
    data = models.JSONField(default=dict)
    opened_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["code", "about"],
                condition=Q(resolved_at__isnull=True),
                name="youtube_alert_open_once",
            )
        ]
        indexes = [models.Index(fields=["workspace", "resolved_at"], name="youtube_alert_open")]

    def __str__(self) -> str:
        return f"{self.code} of {self.name}"


SEALED: dict[type[models.Model], tuple[tuple[str, str], ...]] = {
    OAuthClient: (("secret", "sealed_secret"),),
    Channel: (
        ("refresh_token", "sealed_refresh_token"),
        ("access_token", "sealed_access_token"),
    ),
    IngestKey: (("key", "sealed_key"),),
}
"""Property and column of everything that is sealed for longer than minutes."""


def sealed_rows() -> list[tuple[Any, str, str]]:
    """Every sealed value: its row, the property that opens it, its column."""
    return [
        (row, name, column)
        for model, pairs in SEALED.items()
        for row in model._default_manager.all()  # noqa: SLF001 - public by convention
        for name, column in pairs
    ]
