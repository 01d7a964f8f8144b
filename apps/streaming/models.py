"""Tables of the streaming app.

Desired columns are written by `stream_manager` alone, lease columns by `lease`, reported columns by
`engine`. Nothing happens in `save()`.
"""

from __future__ import annotations

import secrets

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Role
from apps.core.fields import EncryptedTextField
from apps.core.models import Record
from apps.library.models import CardStyle


def new_seed() -> int:
    """A number from which the orders of a shuffled stream are made."""
    return secrets.randbits(31)


class Desired(models.TextChoices):
    """What the user wishes."""

    OFF = "off", _("Off")
    ON = "on", _("On")


class State(models.TextChoices):
    """What a node reports of one output; the values are those of `playout.supervisor.states`."""

    IDLE = "idle", _("Idle")
    PREPARING = "preparing", _("Preparing")
    CONNECTING = "connecting", _("Connecting")
    ON_AIR = "on_air", _("On air")
    DEGRADED = "degraded", _("Degraded")
    RECONNECTING = "reconnecting", _("Reconnecting")
    STOPPING = "stopping", _("Stopping")
    FAILED = "failed", _("Failed")


class StartPolicy(models.TextChoices):
    """Where a programme begins when its stream is started."""

    TOP = "top", _("From the top")
    CLOCK = "clock", _("By the clock")
    RESUME = "resume", _("Where it stopped")


class Leg(models.TextChoices):
    """Which of the ingest's entries an output sends to."""

    PRIMARY = "primary", _("Primary")
    BACKUP = "backup", _("Backup")


class ProgrammeKind(models.TextChoices):
    """Which part of a programme a version is of."""

    PICTURES = "pictures", _("Pictures")
    SOUND = "sound", _("Sound")
    FILLER = "filler", _("Filler")


class Playlist(Record):
    """An ordered list of media of one workspace."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="playlists"
    )
    name = models.CharField(max_length=120)

    role: Role
    """What the person who asks may do with it; set by `access`."""

    class Meta:
        ordering = ["name", "created_at"]
        indexes = [
            models.Index(
                fields=["workspace", "name", "created_at", "id"], name="streaming_playlist_listed"
            ),
            models.Index(
                fields=["workspace", "-created_at", "-id"], name="streaming_playlist_newest"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The page of the playlist."""
        return reverse("streaming:playlist", args=[self.pk])


class PlaylistItem(Record):
    """One entry of a playlist. The same asset may stand in it more than once."""

    playlist = models.ForeignKey(Playlist, on_delete=models.CASCADE, related_name="items")
    asset = models.ForeignKey(
        "library.Asset", on_delete=models.CASCADE, related_name="playlist_items"
    )
    position = models.PositiveIntegerField()
    weight = models.PositiveSmallIntegerField(default=1)
    """Plays in each round of a shuffled programme."""
    video_id = models.CharField(max_length=64, blank=True)
    """Of the video at YouTube that it stands for; empty for one that was added by hand."""
    video_title = models.CharField(max_length=200, blank=True)
    """How that is called there."""

    class Meta:
        ordering = ["position", "created_at"]
        indexes = [models.Index(fields=["playlist", "position"])]

    def __str__(self) -> str:
        return f"{self.position} in {self.playlist_id}"


class PlaylistSource(Record):
    """The list at YouTube whose order a playlist follows, and what of it is not in the library."""

    playlist = models.OneToOneField(Playlist, on_delete=models.CASCADE, related_name="source")
    channel = models.ForeignKey(
        "youtube.Channel", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    youtube_id = models.CharField(max_length=64)
    title = models.CharField(max_length=150)
    read_at = models.DateTimeField()
    found_count = models.PositiveIntegerField(default=0)
    missing_count = models.PositiveIntegerField(default=0)
    """Videos without a file."""
    gone_count = models.PositiveIntegerField(default=0)
    """Deleted or private at YouTube."""
    missing = models.JSONField(default=list)
    """The first of the missing: list of {id, title}."""

    def __str__(self) -> str:
        return f"{self.title} for {self.playlist_id}"

    @property
    def address(self) -> str:
        """Of the list at YouTube."""
        return f"https://www.youtube.com/playlist?list={self.youtube_id}"


class Destination(Record):
    """An ingest: its address, and the stream key, which is never shown again."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="destinations"
    )
    name = models.CharField(max_length=120)
    address = models.CharField(max_length=500)
    """Publishing address without the key, such as `rtmps://host:443/app`; a query belongs to it."""
    key = EncryptedTextField()
    key_hint = models.CharField(max_length=8, blank=True)
    """The last four characters of the key, when the key is long enough to spare them."""
    fingerprint = models.CharField(max_length=64, db_index=True)
    """Keyed hash of address and key: equal for equal publishing points, and tells neither."""
    ingest_key = models.UUIDField(null=True, blank=True)
    """Which key of `apps.youtube` it carries; empty for one that was typed in."""

    class Meta:
        ordering = ["name", "created_at"]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="streaming_dest_newest")
        ]

    def __str__(self) -> str:
        return self.name


class Stream(Record):
    """What a user puts on air: a playlist in one house format, sent to destinations."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="streams"
    )
    title = models.CharField(max_length=120)
    playlist = models.ForeignKey(
        Playlist, null=True, blank=True, on_delete=models.SET_NULL, related_name="streams"
    )
    profile = models.CharField(max_length=64)
    """House format with its version, such as `1080p30@1`."""
    loop = models.BooleanField(default=True)
    start_policy = models.CharField(
        max_length=8, choices=StartPolicy.choices, default=StartPolicy.TOP
    )
    shuffle = models.BooleanField(default=False)
    """Whether each round of the playlist has an order of its own."""
    music = models.ForeignKey(
        Playlist, null=True, blank=True, on_delete=models.SET_NULL, related_name="music_streams"
    )
    """Radio mode: what sounds while the playlist only brings pictures."""
    shuffle_music = models.BooleanField(default=False)
    title_cards = models.CharField(max_length=8, choices=CardStyle.choices, blank=True)
    """In radio mode, how the title of each song is shown in the picture; empty for not at all."""
    cards_told_at = models.DateTimeField(null=True, editable=False)
    """When nodes were told last to look for title cards that are ready."""
    filler = models.ForeignKey(
        Playlist, null=True, blank=True, on_delete=models.SET_NULL, related_name="filler_streams"
    )
    """What may stand in for an item that cannot be played, and during a pause."""
    seed = models.BigIntegerField(default=new_seed)
    """Makes the orders of shuffled rounds; see `playout.timeline.order`."""

    # Desired; written by stream_manager.
    desired = models.CharField(max_length=3, choices=Desired.choices, default=Desired.OFF)
    generation = models.PositiveIntegerField(default=0)
    timeline_epoch = models.DateTimeField(null=True, blank=True)
    """When frame 0 of the time line is due; changed only by a start or a planned rotation."""
    started_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    paused_from = models.PositiveBigIntegerField(null=True, blank=True)
    """Video frame of the time line from which on the filler is shown; empty when not paused."""

    role: Role
    """What the person who asks may do with it; set by `access`."""

    class Meta:
        ordering = ["title", "created_at"]
        indexes = [
            models.Index(fields=["workspace", "title"]),
            # The order of the list: wanted ones first.
            models.Index(
                fields=["workspace", "-desired", "title", "created_at", "id"],
                name="streaming_stream_listed",
            ),
            models.Index(
                fields=["workspace", "-created_at", "-id"], name="streaming_stream_newest"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """The page of the stream."""
        return reverse("streaming:stream", args=[self.pk])

    @property
    def is_wanted(self) -> bool:
        """Whether the user wishes it on air."""
        return self.desired == Desired.ON

    @property
    def is_radio(self) -> bool:
        """Whether a playlist of its own makes the sound."""
        return self.music_id is not None

    @property
    def shows_titles(self) -> bool:
        """Whether titles of songs are shown in its picture."""
        return self.is_radio and bool(self.title_cards)


class Output(Record):
    """One stream sent to one destination over one leg."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="outputs")
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="outputs")
    leg = models.CharField(max_length=8, choices=Leg.choices, default=Leg.PRIMARY)
    profile = models.CharField(max_length=64)

    # Desired; written by stream_manager.
    desired = models.CharField(max_length=3, choices=Desired.choices, default=Desired.OFF)
    generation = models.PositiveIntegerField(default=0)
    publishing_point = models.CharField(max_length=64, blank=True)
    """The destination's fingerprint while desired is on: the database allows it once."""
    joined_at = models.DateTimeField(null=True, blank=True)
    """When it was added to a stream that was on air; empty when it was started with the stream."""
    removed_at = models.DateTimeField(null=True, blank=True)
    """When a person took it out; the row stays until no node can still be sending."""

    # Lease; written by lease.
    node = models.CharField(max_length=64, blank=True)
    """Id of the holder; empty when never owned or released."""
    token = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True, blank=True)

    # Reported; written by engine.
    state = models.CharField(max_length=12, choices=State.choices, default=State.IDLE)
    reported_generation = models.PositiveIntegerField(default=0)
    session_id = models.CharField(max_length=64, blank=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    on_air_since = models.DateTimeField(null=True, blank=True)
    bytes_sent = models.PositiveBigIntegerField(default=0)
    bytes_acked = models.PositiveBigIntegerField(default=0)
    kbps = models.PositiveIntegerField(default=0)
    late_ms = models.FloatField(default=0.0)
    reconnects = models.PositiveIntegerField(default=0)
    unsent_bytes = models.PositiveBigIntegerField(default=0)
    joins = models.PositiveBigIntegerField(default=0)
    jumps = models.PositiveIntegerField(default=0)
    substitutions = models.PositiveIntegerField(default=0)
    cache_horizon_s = models.FloatField(null=True, blank=True)
    """Seconds of media on the node's disk from now on; null where all of it lies there."""
    item_id = models.CharField(max_length=64, blank=True)
    item_position_ms = models.PositiveBigIntegerField(default=0)
    next_item_id = models.CharField(max_length=64, blank=True)
    sound_id = models.CharField(max_length=64, blank=True)
    """In radio mode, the song that is heard; empty in any other."""
    sound_position_ms = models.PositiveBigIntegerField(default=0)
    next_sound_id = models.CharField(max_length=64, blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_text = models.CharField(max_length=500, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["stream", "leg", "created_at"]
        indexes = [
            models.Index(fields=["desired", "node", "expires_at"]),
            models.Index(fields=["node"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "destination", "leg"], name="output_once_per_leg"
            ),
            models.UniqueConstraint(
                fields=["publishing_point"],
                condition=~Q(publishing_point=""),
                name="one_publisher_per_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream_id} to {self.destination_id}"


class Node(models.Model):
    """A machine that publishes. Its id is kept on its own disk and outlives its processes."""

    id = models.CharField(primary_key=True, max_length=64)
    name = models.CharField(max_length=120)
    version = models.CharField(max_length=40, blank=True)
    capacity_mbps = models.PositiveIntegerField(default=0)
    """Mbit/s it may send; 0 means not limited."""
    draining = models.BooleanField(default=False)
    """Asked to give its outputs away, and to take no new ones."""
    peer_address = models.CharField(max_length=255, blank=True)
    """`host:port` where it tells other nodes whether it can reach the database."""
    pumps = models.JSONField(default=dict, blank=True)
    """By name of pump: release, outputs, and how late it was; as last reported."""
    first_seen = models.DateTimeField(auto_now_add=True)
    last_seen = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ProgrammeVersion(models.Model):
    """What a stream shows from one frame of its time line on. Never changed once written."""

    id = models.BigAutoField(primary_key=True)
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="versions")
    n = models.PositiveIntegerField()
    kind = models.CharField(
        max_length=8, choices=ProgrammeKind.choices, default=ProgrammeKind.PICTURES
    )
    epoch = models.DateTimeField()
    """The `timeline_epoch` that `effective_from` counts from."""
    profile = models.CharField(max_length=64)
    """House format, whose frames are counted here."""
    effective_from = models.PositiveBigIntegerField()
    """Video frame since the epoch; AAC frame for sound. A filler counts at once, as 0."""
    entry = models.PositiveIntegerField(default=0)
    """Position in the order of `cycle` to begin at; the index of the item when not shuffled."""
    offset = models.PositiveBigIntegerField(default=0)
    """Frames of the first item to leave out; for pictures a multiple of the GOP."""
    loop = models.BooleanField(default=True)
    seed = models.BigIntegerField(null=True, default=None)
    """Shuffles each cycle anew; empty plays the items as they stand."""
    cycle = models.PositiveIntegerField(default=0)
    items = models.JSONField()
    """List of {id, asset, title, video, audio, frames, weight}; for sound without `video`.

    `video` and `audio` are ids of tracks; a weight of 1 is left out.
    """
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["stream", "n"]
        constraints = [
            models.UniqueConstraint(fields=["stream", "n"], name="version_once_per_stream"),
        ]
        indexes = [
            models.Index(fields=["stream", "epoch", "kind", "effective_from"], name="version_due")
        ]

    def __str__(self) -> str:
        return f"version {self.n} of {self.stream_id}"


class Session(models.Model):
    """One connection to an ingest, from its first byte to its end."""

    id = models.BigAutoField(primary_key=True)
    output = models.ForeignKey(Output, on_delete=models.CASCADE, related_name="sessions")
    session_id = models.CharField(max_length=64)
    node = models.CharField(max_length=64)
    token = models.PositiveBigIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=64, blank=True)
    """Code of why it ended; empty for a wanted end."""
    bytes_sent = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["output", "session_id"], name="session_once_per_output"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="session_ends_after_it_starts",
            ),
        ]
        indexes = [models.Index(fields=["output", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.session_id} of {self.output_id}"


class AsRun(models.Model):
    """A stretch of one item that one output aired, in frames of the stream's time line."""

    id = models.BigAutoField(primary_key=True)
    output = models.ForeignKey(Output, on_delete=models.CASCADE, related_name="as_run")
    token = models.PositiveBigIntegerField()
    """Of the lease under which it was aired."""
    epoch = models.DateTimeField()
    """The `timeline_epoch` that the frames count from."""
    start_frame = models.PositiveBigIntegerField()
    end_frame = models.PositiveBigIntegerField(null=True, blank=True)
    """Null while it is on air."""
    item_id = models.CharField(max_length=64)
    title = models.CharField(max_length=255, blank=True)
    cause = models.CharField(max_length=64, blank=True)
    """Code of why it was not, or not wholly, aired as written."""
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["output", "token", "epoch", "start_frame"], name="as_run_once"
            ),
        ]
        indexes = [models.Index(fields=["output", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.item_id} at {self.started_at:%Y-%m-%d %H:%M:%S}"


class Sample(models.Model):
    """What the ingest of one output took in one hour, numbers a minute."""

    id = models.BigAutoField(primary_key=True)
    output = models.ForeignKey(Output, on_delete=models.CASCADE, related_name="samples")
    hour = models.DateTimeField()
    acked_kbps = models.JSONField(default=list)
    """Acknowledged, on average; at most sixty, null for a minute of which nothing was reported."""
    unsent_bytes = models.JSONField(default=list)
    """The most that waited to be taken, likewise."""

    class Meta:
        ordering = ["hour"]
        constraints = [
            models.UniqueConstraint(fields=["output", "hour"], name="sample_once_an_hour")
        ]

    def __str__(self) -> str:
        return f"{self.output_id} from {self.hour:%Y-%m-%d %H:%M}"


class Event(models.Model):
    """Something that happened to a stream, once. Rows are only ever added."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="stream_events"
    )
    stream = models.ForeignKey(
        Stream, null=True, blank=True, on_delete=models.CASCADE, related_name="events"
    )
    output = models.ForeignKey(
        Output, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    code = models.CharField(max_length=64)
    text = models.CharField(max_length=500)
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["stream", "-at"]),
            models.Index(fields=["workspace", "-at"]),
        ]

    def __str__(self) -> str:
        return f"{self.code} at {self.at:%Y-%m-%d %H:%M:%S}"
