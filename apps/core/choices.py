"""Choices among very many: what Django writes with a template for each option, in one go."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.renderers import BaseRenderer
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class LongSelect(forms.Select):
    """A `Select` that writes hundreds of options in a millisecond: the same HTML, escaped alike."""

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        """The element with all its options, grouped where the choices are."""
        parts = []
        for group, options, _ in self.optgroups(name, self.format_value(value), attrs):
            written = format_html_join(
                "",
                "<option{}>{}</option>",
                (
                    (flatatt({"value": option["value"], **option["attrs"]}), option["label"])
                    for option in options
                ),
            )
            parts.append(
                written
                if group is None
                else format_html('<optgroup label="{}">{}</optgroup>', group, written)
            )
        built = self.build_attrs(self.attrs, {"name": name, **(attrs or {})})
        if self.use_required_attribute(self.choices) and self.is_required:
            built.setdefault("required", True)
        return format_html(
            "<select{}>{}</select>",
            flatatt(built),
            format_html_join("", "{}", ((part,) for part in parts)),
        )
