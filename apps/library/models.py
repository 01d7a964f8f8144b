"""Tables of the library. Nothing happens in `save()`.

Lease columns are written by `lease`, all others by `services` and `preparation`.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.core.models import Record

UPLOAD_LIFETIME = timedelta(hours=24)
"""An upload that receives nothing for so long is thrown away."""


class AssetState(models.TextChoices):
    """How far a source file has come."""

    UPLOADING = "uploading", "Uploading"
    CHECKING = "checking", "Checking"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"


class AssetKind(models.TextChoices):
    """What a source file holds; decided by its content."""

    VIDEO = "video", "Video"
    AUDIO = "audio", "Audio"
    PICTURE = "picture", "Picture"


class TrackKind(models.TextChoices):
    """Pictures and sound are separate tracks; the values are those of `playout.media.TrackKind`."""

    VIDEO = "video", "Video"
    AUDIO = "audio", "Audio"


class TrackState(models.TextChoices):
    """How far preparing has come."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"


class Failable(models.Model):
    """A row that can fail: a stable code, what happened, and what to do next."""

    failure_code = models.CharField(max_length=64, blank=True)
    failure_message = models.CharField(max_length=500, blank=True)
    failure_advice = models.CharField(max_length=500, blank=True)

    class Meta:
        abstract = True


class Leased(models.Model):
    """A row that one worker at a time works on, however often the task is delivered."""

    lease_owner = models.CharField(max_length=80, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    attempt = models.PositiveIntegerField(default=0, editable=False)
    """Claims so far; a row that keeps killing its worker is given up."""

    class Meta:
        abstract = True


class Folder(Record):
    """A drawer of the library. Folders do not nest."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="folders"
    )
    name = models.CharField(max_length=120)

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "name"], name="library_folder_name_once_per_workspace"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Asset(Record, Failable, Leased):
    """A source file: what somebody uploaded, and what it turned out to be."""

    workspace = models.ForeignKey(
        "accounts.Workspace", on_delete=models.CASCADE, related_name="assets"
    )
    folder = models.ForeignKey(
        Folder, null=True, blank=True, on_delete=models.SET_NULL, related_name="assets"
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    title = models.CharField(max_length=200)
    original_name = models.CharField(max_length=255, blank=True)
    """As the sender called it; shown, never used as a path and never trusted."""
    storage_key = models.CharField(max_length=200, blank=True, editable=False)
    size_bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, editable=False)
    state = models.CharField(
        max_length=10, choices=AssetState.choices, default=AssetState.UPLOADING
    )
    kind = models.CharField(max_length=8, choices=AssetKind.choices, blank=True)
    duration_ms = models.PositiveBigIntegerField(null=True)
    """As the file says; corrected by what preparing counted, since some files do not say.

    For a picture, how long it is shown at a time.
    """
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    probe = models.JSONField(default=dict)
    """What the check found, as facts and as sentences for people."""
    thumbnail_key = models.CharField(max_length=200, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["workspace", "-created_at", "-id"],
                name="library_asset_newest",
                condition=Q(deleted_at__isnull=True),
            ),
            models.Index(
                fields=["folder", "-created_at", "-id"],
                name="library_asset_in_folder",
                condition=Q(deleted_at__isnull=True),
            ),
            models.Index(
                fields=["state", "lease_expires_at"],
                name="library_asset_to_check",
                condition=Q(state__in=["uploading", "checking"]),
            ),
            models.Index(
                fields=["deleted_at"],
                name="library_asset_to_purge",
                condition=Q(deleted_at__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=AssetState.values), name="library_asset_known_state"
            ),
            models.CheckConstraint(
                condition=~Q(state="ready") | (Q(kind__in=AssetKind.values) & ~Q(storage_key="")),
                name="library_asset_ready_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="failed") | ~Q(failure_code=""),
                name="library_asset_failed_has_a_code",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """The page of the file."""
        return reverse("library:asset", args=[self.pk])

    @property
    def is_ready(self) -> bool:
        """Whether it was checked and can be prepared."""
        return self.state == AssetState.READY


class Upload(Record):
    """A file on its way to us, in pieces; the row holds how far it has come."""

    asset = models.OneToOneField(Asset, on_delete=models.CASCADE, related_name="upload")
    length = models.PositiveBigIntegerField()
    offset = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="library_upload_expiry")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(offset__lte=F("length")), name="library_upload_offset_within_length"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.offset} of {self.length} bytes"

    @property
    def percent(self) -> int:
        """Whole per cent that have arrived."""
        return 100 * self.offset // self.length if self.length else 100


class Track(Record, Failable, Leased):
    """Pictures or sound of an asset in one house format, ready to send when `state` is ready."""

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="tracks")
    kind = models.CharField(max_length=5, choices=TrackKind.choices)
    profile = models.CharField(max_length=64)
    """House format with its version, such as `1080p30@1` or `aac-44100-stereo@1`."""
    state = models.CharField(max_length=7, choices=TrackState.choices, default=TrackState.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0)
    """Whole per cent."""
    frames = models.PositiveBigIntegerField(default=0)
    """Pictures of content, or AAC frames with the silence that reaches the end of the pictures."""
    heard_frames = models.PositiveBigIntegerField(null=True, blank=True)
    """AAC frames before that silence, which a song is without; null when there is nothing else."""
    size_bytes = models.PositiveBigIntegerField(default=0)
    prefix = models.CharField(max_length=200, blank=True, editable=False)
    """Storage name of the folder that holds `<kind>.track` and `<kind>.index`."""
    replaced_at = models.DateTimeField(null=True, blank=True, editable=False)
    """When another row took its place; programmes written before then play it until they follow."""

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        indexes: ClassVar = [
            models.Index(
                fields=["state", "lease_expires_at"],
                name="library_track_to_prepare",
                condition=Q(state__in=["queued", "running"]),
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["asset", "kind", "profile"],
                condition=Q(replaced_at=None),
                name="library_track_once_per_profile",
            ),
            models.CheckConstraint(
                condition=Q(state__in=TrackState.values) & Q(kind__in=TrackKind.values),
                name="library_track_known_words",
            ),
            models.CheckConstraint(
                condition=Q(progress__lte=100), name="library_track_progress_is_per_cent"
            ),
            models.CheckConstraint(
                condition=~Q(state="ready") | (Q(frames__gt=0) & ~Q(prefix="")),
                name="library_track_ready_has_frames",
            ),
            models.CheckConstraint(
                condition=~Q(state="failed") | ~Q(failure_code=""),
                name="library_track_failed_has_a_code",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.profile} of {self.asset_id}"

    @property
    def is_ready(self) -> bool:
        """Whether it can be sent."""
        return self.state == TrackState.READY


class CardStyle(models.TextChoices):
    """How the title of a song is shown; the values are those of `playout.prepare.lettering`."""

    BAND = "band", _("A band across the bottom")
    CORNER = "corner", _("A box in the lower left corner")
    TOP = "top", _("A band across the top")


class TitleCard(Record, Failable, Leased):
    """Some groups of pictures of a prepared loop, encoded again with words on them."""

    loop = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="cards")
    """The pictures that it stands in for; a track of pictures never changes once it is ready."""
    text = models.CharField(max_length=200)
    """As it is drawn: one line, without what cannot be seen."""
    style = models.CharField(max_length=8, choices=CardStyle.choices)
    group = models.PositiveIntegerField()
    """Number of the loop's first group that it shows."""
    frames = models.PositiveIntegerField()
    state = models.CharField(max_length=7, choices=TrackState.choices, default=TrackState.QUEUED)
    size_bytes = models.PositiveBigIntegerField(default=0)
    prefix = models.CharField(max_length=200, blank=True, editable=False)
    """Storage name of the folder that holds `video.track` and `video.index`."""
    ready_at = models.DateTimeField(null=True, blank=True)
    keep_until = models.DateTimeField()
    """Nobody has planned to show it after this."""

    kind = TrackKind.VIDEO

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        indexes: ClassVar = [
            models.Index(
                fields=["state", "lease_expires_at"],
                name="library_card_to_prepare",
                condition=Q(state__in=["queued", "running"]),
            ),
            models.Index(fields=["keep_until"], name="library_card_expiry"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["loop", "style", "group", "frames", "text"], name="library_card_once"
            ),
            models.CheckConstraint(
                condition=~Q(state="ready") | (Q(ready_at__isnull=False) & ~Q(prefix="")),
                name="library_card_ready_is_somewhere",
            ),
        ]

    def __str__(self) -> str:
        return f"“{self.text}” over {self.loop_id}"

    @property
    def asset_id(self) -> uuid.UUID:
        """The file whose pictures it shows."""
        return self.loop.asset_id


class Rendition(Record):
    """An asset in one video profile: a video and an audio track that belong together."""

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="renditions")
    profile = models.CharField(max_length=64)
    """Video profile with its version."""
    video = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="video_of")
    audio = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="audio_of")

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["asset", "profile"], name="library_rendition_once_per_profile"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile} of {self.asset_id}"

    @property
    def state(self) -> TrackState:
        """Computed from the two tracks: the worse of them decides."""
        states = {self.video.state, self.audio.state}
        for decisive in (TrackState.FAILED, TrackState.RUNNING, TrackState.QUEUED):
            if decisive in states:
                return decisive
        return TrackState.READY

    @property
    def progress(self) -> int:
        """Whole per cent; both tracks come out of one run, whose progress the video track holds."""
        return 100 if self.state == TrackState.READY else min(99, self.video.progress)

    @property
    def failure(self) -> Track | None:
        """The track that tells why it failed."""
        for track in (self.video, self.audio):
            if track.state == TrackState.FAILED:
                return track
        return None
