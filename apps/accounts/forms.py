"""What people may enter about their workspace and themselves."""

from __future__ import annotations

from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Role, Scope
from apps.core.lines import LineField


class WorkspaceForm(forms.Form):
    """The name people see."""

    name = LineField(label=_("Name"), max_length=120)


class InvitationForm(forms.Form):
    """Somebody to invite, and the role to give them."""

    email = forms.EmailField(
        label=_("E-mail"), max_length=254, widget=forms.EmailInput({"autocomplete": "off"})
    )
    role = forms.ChoiceField(
        label=_("Role"),
        choices=Role.choices,
        initial=Role.VIEWER,
        help_text=_("Viewers look, editors change and start streams, owners manage the team."),
    )


class PasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A passkey opens the account alone, unless somebody wants it as a second step only."""

    # As in the parent, whose label is made of the field's name and never translated.
    name = forms.CharField(label=_("Name"), required=False)
    passwordless = forms.BooleanField(
        label=_("Sign in with it alone"),
        required=False,
        initial=True,
        help_text=_(
            "Without the password. Your device then asks for a fingerprint, your face or a PIN."
        ),
    )


class ProfileForm(forms.Form):
    """What others on a team see."""

    name = LineField(
        label=_("Name"),
        max_length=120,
        required=False,
        strip=True,
        widget=forms.TextInput({"autocomplete": "name"}),
        help_text=_("Others on your teams see it."),
    )


class TokenForm(forms.Form):
    """What a new API token is for, and what it may do."""

    name = LineField(
        label=_("What it is for"),
        max_length=120,
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        choices=Scope.choices,
        initial=[Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(choices=Role.choices)
