"""What people may send about a file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.core.lines import LineField
from apps.library import preparation


class RenameForm(forms.Form):
    """A new name."""

    title = LineField(label=_("Name"), max_length=200)


class FolderForm(forms.Form):
    """The name of a folder."""

    name = LineField(label=_("Name"), max_length=120)


class FormatForm(forms.Form):
    """A house format to prepare a file in."""

    profile = forms.ChoiceField(label=_("Format"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(one.id, one.label) for one in preparation.profile_choices()]
        self.fields["profile"].choices = choices  # type: ignore[attr-defined]
        self.fields["profile"].initial = preparation.default_profile_id()
