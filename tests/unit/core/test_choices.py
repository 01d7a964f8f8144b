"""A long select is the select that Django writes, only sooner."""

from __future__ import annotations

import pytest
from django import forms
from django.utils.html import escape

from apps.core.choices import LongSelect

CHOICES = [
    ("", "None"),
    ("1", "Rain & <b>wind</b>"),
    ("2", 'Said "softly"'),
    ("Places", [("3", "Forest"), ("4", "<sea>")]),
]


def form_with(widget: type[forms.Select], value: str, *, required: bool) -> forms.Form:
    class OneField(forms.Form):
        place = forms.ChoiceField(
            choices=CHOICES, widget=widget(attrs={"data-x": '"'}), required=required, help_text="h"
        )

    return OneField({"place": value})


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("value", ["", "2", "4", '"><script>'])
def test_it_is_what_django_writes(value: str, required: bool, assert_same_html) -> None:
    mine = str(form_with(LongSelect, value, required=required)["place"])
    theirs = str(form_with(forms.Select, value, required=required)["place"])
    assert_same_html(mine, theirs)
    assert escape("<b>wind</b>") in mine


@pytest.fixture
def assert_same_html():
    from django.test import SimpleTestCase

    return SimpleTestCase().assertHTMLEqual
