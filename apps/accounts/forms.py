"""What people may enter about their workspace."""

from __future__ import annotations

from django import forms

from apps.accounts.models import Role


class WorkspaceForm(forms.Form):
    """The name people see."""

    name = forms.CharField(max_length=120)


class MemberForm(forms.Form):
    """Somebody who has an account, and the role to give them."""

    email = forms.EmailField(label="E-mail of an existing account")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(choices=Role.choices)
