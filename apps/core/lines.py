"""What people call things: one line that can be seen, and that turns nothing around it."""

from __future__ import annotations

import unicodedata
from typing import Any

from django import forms

JOINERS = "\u200c\u200d"
"""They change the letters beside them, and join one emoji to another; whole scripts need them."""


def is_shown(character: str) -> bool:
    """Whether it belongs into a name.

    Control characters do not, nor surrogates, nor format characters but joiners: among those are
    the marks that reverse the direction of all that follows, on our page as well.
    """
    return character in JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs")


def one_line(text: str) -> str:
    """`text` in one line, blanks drawn together, without what is not shown."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    return " ".join("".join(filter(is_shown, spaced)).split())


class LineField(forms.CharField):
    """A name in a form; what is not shown is left out of it."""

    def to_python(self, value: Any) -> Any:
        """The cleaned name."""
        text = super().to_python(value)
        # A NUL stays, for the validator of all text fields to refuse.
        return one_line(text) if isinstance(text, str) and "\0" not in text else text
