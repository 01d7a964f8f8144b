"""What people may enter about channels and shows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.safestring import mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace
from apps.youtube import selectors, texts
from apps.youtube.models import Channel, Latency, OAuthClient, OnEnd, Policy, Privacy, Show

THUMBNAIL_MAX_BYTES = 2 << 20

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


class ShowForm(forms.Form):
    """How a stream is described on YouTube, and how it is kept there."""

    channel = forms.ModelChoiceField(label=_("Channel"), queryset=Channel.objects.none())
    title = forms.CharField(
        label=_("Title"),
        max_length=100,
        help_text=format_lazy(
            _("{places} stand for what they name."),
            places=mark_safe("<code data-own-words>{stream} {channel} {date}</code>"),
        ),
    )
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
    policy = forms.ChoiceField(label=_("Address or archive"), choices=Policy.choices)
    on_end = forms.ChoiceField(label=_("When YouTube ends it"), choices=OnEnd.choices)
    latency = forms.ChoiceField(label=_("Latency"), choices=Latency.choices)
    dvr = forms.BooleanField(label=_("Viewers may rewind"), required=False, initial=True)
    made_for_kids = forms.BooleanField(
        label=_("Made for kids"),
        required=False,
        help_text=_("YouTube then switches chat and notifications off."),
    )
    thumbnail = forms.FileField(
        label=_("Thumbnail"),
        required=False,
        help_text=_("JPEG or PNG, 1280 × 720, at most 2 MB. Leave it out to keep the present one."),
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png"}),
    )

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

    def clean_title(self) -> str:
        """Only places that we can fill."""
        return self._checked("title")

    def clean_description(self) -> str:
        """Only places that we can fill."""
        return self._checked("description")

    def clean_thumbnail(self) -> bytes | None:
        """The picture's bytes; None when none was sent."""
        sent: UploadedFile[bytes] | None = self.cleaned_data.get("thumbnail")
        if sent is None:
            return None
        if (sent.size or 0) > THUMBNAIL_MAX_BYTES:
            raise forms.ValidationError(_("The picture is larger than 2 MB."))
        content: bytes = sent.read()
        if not content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
            raise forms.ValidationError(_("The picture is neither a JPEG nor a PNG."))
        return content

    def _checked(self, name: str) -> str:
        text: str = self.cleaned_data[name]
        unknown = texts.unknown_places(text)
        if unknown:
            raise forms.ValidationError(
                _("{%(word)s} stands for nothing. Use {stream}, {channel} or {date}."),
                params={"word": unknown[0][:30]},
            )
        if "<" in text or ">" in text:
            raise forms.ValidationError(_("YouTube takes no < or > here."))
        return text

    @property
    def wishes(self) -> dict[str, Any]:
        """What `services.shows.describe` takes; a picture only when one was sent."""
        wishes = dict(self.cleaned_data)
        if wishes.get("thumbnail") is None:
            wishes.pop("thumbnail", None)
        return wishes
