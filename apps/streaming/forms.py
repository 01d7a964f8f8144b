"""What people may enter about streams and playlists."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace
from apps.core.choices import LongSelect
from apps.core.lines import LineField
from apps.library.models import CardStyle
from apps.streaming import destinations, schedule, selectors
from apps.streaming.models import Destination, Leg, Output, Playlist, StartPolicy, Stream
from apps.youtube import selectors as youtube
from apps.youtube.models import Channel, ChannelState

YOUTUBE = "rtmps://a.rtmps.youtube.com:443/live2"
YOUTUBE_BACKUP = "rtmps://b.rtmps.youtube.com:443/live2?backup=1"

NO_TITLES = "off"
NOWHERE = "none"
CHANNEL = "channel-"
"""Before the id of a connected channel: it needs no key from a person."""
_KEY_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


class ServiceField(forms.CharField):
    """Something that the chosen service needs, or does not: `ServiceForm.clean` knows."""

    def validate(self, value: str) -> None:
        """Left to the form."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """The browser must not ask for what is hidden from the person."""
        widget.use_required_attribute = lambda initial: False  # type: ignore[method-assign]
        return super().widget_attrs(widget) | {"autocomplete": "off", "spellcheck": "false"}


class PlaylistForm(forms.Form):
    """The name of a playlist."""

    name = LineField(label=_("Name"), max_length=120)


MOST_WEIGHT = 20


class WeightForm(forms.Form):
    """How often an item plays in each round of a shuffled programme."""

    weight = forms.IntegerField(min_value=1, max_value=MOST_WEIGHT)


class PickForm(forms.Form):
    """A playlist that exists, or the name of a new one."""

    playlist = forms.ModelChoiceField(
        label=_("Playlist"),
        queryset=Playlist.objects.none(),
        required=False,
        empty_label=_("A new playlist"),
        widget=LongSelect,
    )
    name = LineField(label=_("Name of the new playlist"), max_length=120, required=False)

    def __init__(self, *args: Any, workspace: Workspace, **kw: Any):
        super().__init__(*args, **kw)
        playlist = self.fields["playlist"]
        assert isinstance(playlist, forms.ModelChoiceField)  # noqa: S101 - declared above
        playlist.queryset = Playlist.objects.filter(workspace=workspace)

    def clean(self) -> dict[str, Any]:
        """One of the two must be there."""
        cleaned = super().clean() or {}
        if not cleaned.get("playlist") and not cleaned.get("name") and not self.errors:
            self.add_error("name", _("Choose a playlist, or name a new one."))
        return cleaned


class ServiceForm(forms.Form):
    """Where something goes: a service, or an address, and the key, which is never shown again."""

    service = forms.ChoiceField(label=_("Send to"))
    address = ServiceField(
        label=_("Address"),
        max_length=500,
        help_text=_(
            "Only for another service: its address without the key, such as rtmps://host:443/app"
        ),
    )
    key = ServiceField(
        label=_("Stream key"),
        max_length=500,
        # A key is opaque: blanks at its ends belong to it, and are refused below instead of cut.
        strip=False,
        widget=forms.PasswordInput,
    )

    _destination: Destination | None = None
    """The one that is changed; None for a new one."""

    def __init__(self, *args: Any, **kw: Any):
        super().__init__(*args, **kw)
        self.fields["service"].choices = self._services()  # type: ignore[attr-defined]
        self.fields["key"].help_text = self._key_hint()
        self.fields["key"].required = self._destination is None

    def _service_initial(self) -> dict[str, Any]:
        address = self._destination.address if self._destination else ""
        service = _service_of(address)
        return {"service": service, "address": address if service == "other" else ""}

    def _services(self) -> list[tuple[str, Any]]:
        services: list[tuple[str, Any]] = [
            ("youtube", _("YouTube")),
            ("youtube-backup", _("YouTube, backup entry")),
        ]
        if settings.INGEST_SIMULATOR_URL:
            services.append(("simulator", _("The test receiver on this machine")))
        return [*services, ("other", _("Another service"))]

    def _key_hint(self) -> Any:
        if self._destination is None:
            return _("From YouTube Studio, “Go live”, “Stream key”. It is stored encrypted.")
        if self._destination.key_hint:
            return _("Kept: it ends in …%(hint)s. Enter a new one only to replace it.") % {
                "hint": self._destination.key_hint
            }
        return _("Kept. Enter a new one only to replace it.")

    def clean_key(self) -> str:
        """The key as it was typed."""
        key: str = self.cleaned_data["key"]
        if key != key.strip() or any(not character.isprintable() for character in key):
            raise forms.ValidationError(
                _("The key has a blank or a line break at its end. Copy it again.")
            )
        return key

    def clean(self) -> dict[str, Any]:
        """Settles the address from the chosen service, and refuses what policy forbids."""
        cleaned = super().clean() or {}
        if "service" not in self.fields or self.fields["service"].disabled:
            cleaned |= {"address": "", "key": ""}
            return cleaned
        service = cleaned.get("service")
        if service == NOWHERE or str(service).startswith(CHANNEL):
            cleaned |= {"address": "", "key": ""}
            return cleaned
        address = {
            "youtube": YOUTUBE,
            "youtube-backup": YOUTUBE_BACKUP,
            "simulator": settings.INGEST_SIMULATOR_URL,
        }.get(str(service), cleaned.get("address", "").strip())
        if service == "other" and not address:
            self.add_error("address", _("Enter the address of the service."))
            return cleaned
        try:
            destinations.check(address)
        except destinations.DestinationRefused as refused:
            self.add_error("address" if service == "other" else "service", str(refused))
        cleaned["address"] = address
        kept = self._destination is not None and _same_server(self._destination.address, address)
        if not cleaned.get("key") and not kept:
            if service == "simulator":
                cleaned["key"] = get_random_string(24, _KEY_ALPHABET)
            elif not self.has_error("key"):
                # A key must never reach a server it was not given for.
                self.add_error("key", _("Enter the stream key of this service."))
        return cleaned


class DestinationForm(ServiceForm):
    """One more place for a stream to go to, or a change of one."""

    name = LineField(
        label=_("Name"),
        max_length=120,
        required=False,
        help_text=_("How you call it here; the service's or server's name when left empty."),
    )
    leg = forms.ChoiceField(
        label=_("Which entry of the service"),
        choices=Leg.choices,
        required=False,
        help_text=_(
            "Primary, unless the service gave you a second address for the same broadcast."
        ),
    )

    def __init__(self, *args: Any, output: Output | None = None, on_air: bool = False, **kw: Any):
        if output is not None:
            self._destination = output.destination
            initial = {"name": output.destination.name, "leg": output.leg}
            kw.setdefault("initial", self._service_initial() | initial)
        super().__init__(*args, **kw)
        if on_air:
            for name in ("service", "address", "key", "leg"):
                self.fields[name].disabled = True

    def clean(self) -> dict[str, Any]:
        """YouTube's addresses say by themselves which entry they are."""
        cleaned = super().clean()
        if self.fields["service"].disabled and self._destination is not None:
            cleaned["address"] = self._destination.address
        service = cleaned.get("service")
        if service in ("youtube", "youtube-backup"):
            cleaned["leg"] = Leg.BACKUP if service == "youtube-backup" else Leg.PRIMARY
        cleaned["leg"] = cleaned.get("leg") or Leg.PRIMARY
        return cleaned

    def wish(self) -> dict[str, Any]:
        """What was asked for, as `stream_manager` takes it."""
        return {name: self.cleaned_data[name] for name in ("name", "address", "key", "leg")}


WISHES = (
    "title", "playlist", "profile", "loop", "start_policy", "shuffle", "music", "shuffle_music",
    "title_cards", "filler", "address", "key",
)  # fmt: skip
"""What of a `StreamForm` goes to `stream_manager`."""


class StreamForm(ServiceForm):
    """A stream and, while that is one place, where it goes.

    `cleaned_data["channel"]` is the connected channel that was chosen for a new one, or None.
    """

    title = LineField(label=_("Title"), max_length=120)
    playlist = forms.ModelChoiceField(
        label=_("Playlist"),
        queryset=Playlist.objects.none(),
        required=False,
        empty_label=_("Choose later"),
        widget=LongSelect,
    )
    profile = forms.ChoiceField(
        label=_("Format"),
        help_text=_("Everything in the playlist is prepared in this format once."),
    )
    start_policy = forms.ChoiceField(
        label=_("When it is started again, it begins"), choices=StartPolicy.choices
    )
    loop = forms.BooleanField(
        label=_("Begin again after the last item"), required=False, initial=True
    )
    shuffle = forms.BooleanField(
        label=_("Shuffle"),
        required=False,
        help_text=_(
            "Each round has an order of its own, in which nothing comes again too soon. Weights in "
            "the playlist say what comes more often."
        ),
    )
    music = forms.ModelChoiceField(
        label=_("Music"),
        queryset=Playlist.objects.none(),
        required=False,
        empty_label=_("Each item brings its own sound"),
        widget=LongSelect,
        help_text=_(
            "Radio mode: this playlist makes the sound, and the playlist above only the pictures. "
            "Videos and sound files can both be heard."
        ),
    )
    shuffle_music = forms.BooleanField(label=_("Shuffle the music"), required=False)
    title_cards = forms.ChoiceField(
        label=_("Title of the song in the picture"),
        choices=[(NO_TITLES, _("Not shown")), *CardStyle.choices],
        required=False,
        help_text=_(
            "At the beginning of each song, for about ten seconds, as the file is called in the "
            "library. It is prepared ahead of time; until it is ready the plain picture goes on."
        ),
    )
    filler = forms.ModelChoiceField(
        label=_("Filler"),
        queryset=Playlist.objects.none(),
        required=False,
        empty_label=_("None"),
        widget=LongSelect,
        help_text=_(
            "Shown when an item cannot be played, and during a pause. Without one we repeat the "
            "last good item, and if that fails too show a plain slate: the stream never goes black."
        ),
    )

    def __init__(self, *args: Any, workspace: Workspace, stream: Stream | None = None, **kw: Any):
        outputs = list(selectors.outputs_of(stream)[:2]) if stream is not None else []
        self._channels: dict[str, Channel] = {}
        if stream is None:
            found = youtube.channels_of(workspace).filter(state=ChannelState.CONNECTED)
            self._channels = {f"{CHANNEL}{channel.pk}": channel for channel in found}
        if stream is not None:
            self._destination = outputs[0].destination if outputs else None
            kw.setdefault("initial", self._initial(stream))
        super().__init__(*args, **kw)
        playlists = Playlist.objects.filter(workspace=workspace)
        named = [(playlist.pk, playlist.name) for playlist in playlists]
        for name in ("playlist", "music", "filler"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - declared above
            field.queryset = playlists
            # Read once for all three.
            field.choices = [("", field.empty_label or ""), *named]
        self.fields["profile"].choices = schedule.grouped_profile_choices()  # type: ignore[attr-defined]
        if stream is not None and stream.is_wanted:
            for name in ("profile", "service", "address", "key"):
                self.fields[name].disabled = True
        shown = stream is not None and youtube.show_of(stream.pk) is not None
        if len(outputs) > 1 or (shown and (not outputs or outputs[0].destination.ingest_key)):
            # Several are added and removed one by one, on the page of the stream; so is a channel.
            for name in ("service", "address", "key"):
                del self.fields[name]

    def _services(self) -> list[tuple[str, Any]]:
        channels = [
            (value, _("YouTube: %(title)s (no key needed)") % {"title": channel.title})
            for value, channel in self._channels.items()
        ]
        return [*channels, *super()._services(), (NOWHERE, _("Decide later"))]

    def clean(self) -> dict[str, Any]:
        """The channel, where one was chosen."""
        cleaned = super().clean()
        titles = cleaned.get("title_cards")
        cleaned["title_cards"] = "" if titles == NO_TITLES else titles
        cleaned["channel"] = self._channels.get(str(cleaned.get("service")))
        return cleaned

    def _initial(self, stream: Stream) -> dict[str, Any]:
        return {
            "title": stream.title,
            "playlist": stream.playlist_id,
            "profile": stream.profile,
            "start_policy": stream.start_policy,
            "loop": stream.loop,
            "shuffle": stream.shuffle,
            "music": stream.music_id,
            "shuffle_music": stream.shuffle_music,
            "title_cards": stream.title_cards or NO_TITLES,
            "filler": stream.filler_id,
            **(self._service_initial() if self._destination else {"service": NOWHERE}),
        }


def _service_of(address: str) -> str:
    if address == YOUTUBE or not address:
        return "youtube"
    if address == YOUTUBE_BACKUP:
        return "youtube-backup"
    return "simulator" if address == settings.INGEST_SIMULATOR_URL else "other"


def _same_server(one: str, other: str) -> bool:
    youtube = {YOUTUBE, YOUTUBE_BACKUP}
    if one in youtube and other in youtube:
        return True
    return urlsplit(one).hostname == urlsplit(other).hostname
