"""What people may enter about channels and shows."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.safestring import mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace
from apps.youtube import selectors, texts
from apps.youtube.models import (
    Channel,
    ChannelState,
    Latency,
    OAuthClient,
    OnEnd,
    Policy,
    Privacy,
    Show,
)
from apps.youtube.pictures import MAX_BYTES, PictureRefused, drawn_anew

CATEGORIES = [
    ("1", _("Film and animation")),
    ("2", _("Cars and vehicles")),
    ("10", _("Music")),
    ("15", _("Pets and animals")),
    ("17", _("Sport")),
    ("19", _("Travel and events")),
    ("20", _("Gaming")),
    ("22", _("People and blogs")),
    ("23", _("Comedy")),
    ("24", _("Entertainment")),
    ("25", _("News and politics")),
    ("26", _("How-to and style")),
    ("27", _("Education")),
    ("28", _("Science and technology")),
    ("29", _("Non-profits and activism")),
]


class OwnClientForm(forms.Form):
    """A workspace's own OAuth client. The secret can be written and replaced, never read."""

    client_id = forms.CharField(
        label=_("Client ID"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    secret = forms.CharField(
        label=_("Client secret"),
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    units_per_day = forms.IntegerField(
        label=_("Units a day"),
        min_value=1,
        max_value=100_000_000,
        initial=10_000,
        help_text=_("What Google grants the project; 10,000 unless you asked for more."),
    )

    def __init__(self, *args: Any, own: OAuthClient | None, **kw: Any) -> None:
        if own is not None:
            kw.setdefault(
                "initial", {"client_id": own.client_id, "units_per_day": own.units_per_day}
            )
        super().__init__(*args, **kw)
        if own is not None:
            self.fields["secret"].required = False
            self.fields["secret"].help_text = _("Kept. Enter a new one only to replace it.")


class OfChannelForm(forms.Form):
    """Something that is on a connected channel."""

    channel_id = forms.ModelChoiceField(label=_("Channel"), queryset=Channel.objects.none())

    def __init__(
        self, *args: Any, workspace: Workspace, show: Show | None = None, **kw: Any
    ) -> None:
        super().__init__(*args, **kw)
        connected = selectors.channels_of(workspace).filter(state=ChannelState.CONNECTED)
        field = self.fields["channel_id"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - declared above
        field.queryset = connected
        self._first = show.channel_id if show is not None else None

    @property
    def channel(self) -> Channel:
        """The channel that was sent; only of a form that is valid."""
        found: Channel = self.cleaned_data["channel_id"]
        return found

    def chosen(self, wanted: str) -> Channel | None:
        """The channel that the page shows: the one asked for, the show's, or else the first."""
        channels = list(self.channels)
        for wish in (wanted, str(self._first)):
            for one in channels:
                if str(one.pk) == wish:
                    return one
        return channels[0] if channels else None

    @property
    def channels(self) -> list[Channel]:
        """Those to choose from."""
        field = self.fields["channel_id"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - declared above
        return list(field.queryset or [])


class AdoptForm(OfChannelForm):
    """Which broadcast of a channel is taken over; without one, the channel is only looked at."""

    broadcast = forms.RegexField(r"^[A-Za-z0-9_-]{1,64}$", required=False)
    at_its_time = forms.BooleanField(required=False)


class ListForm(OfChannelForm):
    """Which playlist of a channel is followed; without one, the channel is only looked at."""

    playlist = forms.RegexField(r"^[A-Za-z0-9_-]{1,64}$", required=False)


class DescribedForm(forms.Form):
    """What viewers read, with places in braces, and a picture."""

    places: tuple[str, ...] = texts.PLACES

    title = forms.CharField(label=_("Title"), max_length=100)
    description = forms.CharField(
        label=_("Description"),
        max_length=4500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    tags = forms.CharField(
        label=_("Tags"), max_length=400, required=False, help_text=_("Separated by commas.")
    )
    category_id = forms.ChoiceField(label=_("Category"), choices=CATEGORIES, initial="24")
    privacy = forms.ChoiceField(label=_("Who may watch"), choices=Privacy.choices)
    thumbnail = forms.FileField(
        label=_("Thumbnail"),
        required=False,
        help_text=_("JPEG or PNG, 1280 × 720, at most 2 MB. Leave it out to keep the present one."),
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png"}),
    )

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.fields["title"].help_text = _places_help(self.places)

    def clean_title(self) -> str:
        """Only places that we can fill."""
        return checked_template(self.cleaned_data["title"], self.places)

    def clean_description(self) -> str:
        """Only places that we can fill."""
        return checked_template(self.cleaned_data["description"], self.places)

    def clean_thumbnail(self) -> bytes | None:
        """The picture as we drew it anew; None when none was sent."""
        sent: UploadedFile[bytes] | None = self.cleaned_data.get("thumbnail")
        if sent is None:
            return None
        try:
            return drawn_anew(sent.read(MAX_BYTES + 1))
        except PictureRefused as refused:
            raise forms.ValidationError(str(refused)) from None


def checked_template(text: str, places: tuple[str, ...]) -> str:
    """The text, when only what we can fill stands in braces. Raises `ValidationError`."""
    unknown = texts.unknown_places(text, places)
    if unknown:
        raise forms.ValidationError(
            _("{%(word)s} stands for nothing. Use %(places)s."),
            params={"word": unknown[0][:30], "places": _named(places)},
        )
    if "<" in text or ">" in text:
        raise forms.ValidationError(_("YouTube takes no < or > here."))
    return text


def _named(places: tuple[str, ...]) -> str:
    return " ".join("{" + place + "}" for place in places)


def _places_help(places: tuple[str, ...]) -> Any:
    return format_lazy(
        _("{places} stand for what they name."),
        places=mark_safe(f"<code data-own-words>{_named(places)}</code>"),  # noqa: S308 - our words
    )


class LiveTextsForm(DescribedForm):
    """Other texts for what is live. What is left as it stands here is not sent."""

    places = texts.PLACES_ON_AIR

    keep = forms.BooleanField(label=_("Use them for the next broadcasts as well"), required=False)

    @property
    def wishes(self) -> dict[str, Any]:
        """What `services.shows.change` takes: only what is other than it was shown."""
        changed = set(self.changed_data) - {"thumbnail", "keep"}
        return {name: self.cleaned_data[name] for name in changed}

    @property
    def lasting_wishes(self) -> dict[str, Any]:
        """What `services.shows.describe` takes: without what is on only now."""
        wishes = self.wishes
        if self.picture:
            wishes["thumbnail"] = self.picture
        return {
            name: value
            for name, value in wishes.items()
            if not isinstance(value, str) or not texts.unknown_places(value)
        }

    @property
    def picture(self) -> bytes:
        """The new picture; empty for none."""
        return self.cleaned_data.get("thumbnail") or b""


_PLAYLIST = re.compile(r"(?:.*[?&]list=)?([A-Za-z0-9_-]{2,64})(?:&.*)?")


class ShowForm(DescribedForm):
    """How a stream is described on YouTube, and how it is kept there."""

    channel = forms.ModelChoiceField(label=_("Channel"), queryset=Channel.objects.none())
    # Short enough for a phone; the rest is said below the field.
    policy = forms.ChoiceField(
        label=_("Address or archive"),
        choices=[(Policy.FOREVER, _("One address for ever")), (Policy.ARCHIVES, _("Archives"))],
        help_text=_(
            "One address for ever keeps no archive beyond 12 hours. For archives a new broadcast "
            "begins before each 11 h 30 min."
        ),
    )
    on_end = forms.ChoiceField(
        label=_("When YouTube ends it"),
        choices=[
            (OnEnd.REPLACE, _("Begin a new broadcast")),
            (OnEnd.STOP, _("Stop the stream and tell us")),
        ],
        help_text=_("A new broadcast begins at most 3 times in 24 hours."),
    )
    latency = forms.ChoiceField(label=_("Latency"), choices=Latency.choices)
    dvr = forms.BooleanField(label=_("Viewers may rewind"), required=False, initial=True)
    made_for_kids = forms.BooleanField(
        label=_("Made for kids"),
        required=False,
        help_text=_("YouTube then switches chat and notifications off."),
    )
    after_title = forms.CharField(
        label=_("Title of the archive"),
        max_length=100,
        required=False,
        help_text=_places_help(texts.PLACES_AFTER),
    )
    after_privacy = forms.ChoiceField(
        label=_("Who may watch the archive"),
        choices=[("", _("As it was")), *Privacy.choices],
        required=False,
    )
    after_playlist = forms.CharField(
        label=_("Put the archive into the playlist"),
        max_length=200,
        required=False,
        help_text=_("Its address at YouTube. It must be one of the channel's own."),
    )

    field_order = (
        "channel", "title", "description", "tags", "category_id", "privacy", "thumbnail",
        "policy", "on_end", "latency", "dvr", "made_for_kids",
        "after_title", "after_privacy", "after_playlist",
    )  # fmt: skip

    def __init__(self, *args: Any, workspace: Workspace, show: Show | None, **kw: Any) -> None:
        initial: dict[str, Any] = {"title": "{stream}", "dvr": True, "category_id": "24"}
        if show is not None:
            initial = {
                name: getattr(show, name) for name in self.base_fields if name != "thumbnail"
            }
        kw["initial"] = initial | kw.get("initial", {})
        super().__init__(*args, **kw)
        channels = selectors.channels_of(workspace)
        field = self.fields["channel"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - declared above
        field.queryset = channels
        if show is None and (first := channels.first()) is not None:
            self.initial.setdefault("channel", first.pk)

    @property
    def parts(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields in the order of the page, under what they are about."""
        after = ("after_title", "after_privacy", "after_playlist")
        kept = ("policy", "on_end", "latency", "dvr", "made_for_kids")
        told = [name for name in self.fields if name not in (*kept, *after)]
        return [
            (str(title), [self[name] for name in names])
            for title, names in (
                (_("What viewers find"), told),
                (_("While it is live"), kept),
                (_("The archive afterwards"), after),
            )
        ]

    def clean_after_title(self) -> str:
        """Only places that we can fill."""
        return checked_template(self.cleaned_data["after_title"], texts.PLACES_AFTER)

    def clean_after_playlist(self) -> str:
        """The playlist's id, out of its address or as it is."""
        text = self.cleaned_data["after_playlist"].strip()
        if not text:
            return ""
        found = _PLAYLIST.fullmatch(text)
        if found is None:
            raise forms.ValidationError(_("That is no address of a playlist at YouTube."))
        return found[1]

    @property
    def wishes(self) -> dict[str, Any]:
        """What `services.shows.describe` takes; a picture only when one was sent."""
        wishes = dict(self.cleaned_data)
        if wishes.get("thumbnail") is None:
            wishes.pop("thumbnail", None)
        return wishes
