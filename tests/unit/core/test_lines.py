import pytest
from django import forms

from apps.core.lines import LineField, one_line
from apps.library.forms import FolderForm, RenameForm
from apps.streaming.forms import PlaylistForm

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("  Night\ttrain \n to the coast ", "Night train to the coast"),
        ("film\u202e4pm.exe", "film4pm.exe"),
        ("\u2066a\u2069\u200e\u200f\ufeff", "a"),
        ("\x1b[31mred\x07", "[31mred"),
        (f"{FAMILY} at home", f"{FAMILY} at home"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\u202e", ""),
    ],
)
def test_a_name_is_one_line_that_can_be_seen(written, kept):
    assert one_line(written) == kept


@pytest.mark.parametrize(
    ("form", "field"), [(RenameForm, "title"), (FolderForm, "name"), (PlaylistForm, "name")]
)
def test_names_of_pages_turn_nothing_round(form, field):
    filled = form({field: "evil\u202eexe.4pm"})
    assert filled.is_valid()
    assert filled.cleaned_data[field] == "evilexe.4pm"
    assert not form({field: "\u202e"}).is_valid()


def test_a_nul_is_refused_not_left_out():
    with pytest.raises(forms.ValidationError):
        LineField().clean("a\0b")
