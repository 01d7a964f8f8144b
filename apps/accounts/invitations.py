"""Inviting people into a workspace by e-mail: the only writer of invitations."""

from __future__ import annotations

import secrets
from datetime import timedelta

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone

from apps.accounts import events
from apps.accounts.access import digest_of
from apps.accounts.models import Invitation, Membership, Role, User, Workspace

LIFETIME = timedelta(days=7)
RESEND_AFTER = timedelta(minutes=1)
MOST_OPEN = 50
MOST_A_DAY = 100
"""Invitations of one workspace in 24 hours: a team grows slower, a sender of spam does not."""


def invite(*, workspace: Workspace, email: str, role: Role, by: User) -> tuple[Invitation, str]:
    """An open invitation and the secret of its link, which cannot be read again later.

    Send the link to `email` and to nobody else.

    Raises:
        ValidationError: they are a member or invited already, or there are too many invitations.
    """
    email = email.strip().lower()
    now = timezone.now()
    if Membership.objects.filter(workspace=workspace, user__email__iexact=email).exists():
        raise ValidationError("This person is a member already. Change the role in the list.")
    counted = Invitation.objects.filter(workspace=workspace)
    if open_of(workspace).count() >= MOST_OPEN:
        raise ValidationError("Too many invitations are open. Revoke some first.")
    if counted.filter(sent_at__gt=now - timedelta(days=1)).count() >= MOST_A_DAY:
        raise ValidationError("Too many invitations were sent today. Go on tomorrow.")
    secret = secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                workspace=workspace,
                email=email,
                role=role,
                invited_by=by,
                digest=digest_of(secret),
                sent_at=now,
                expires_at=now + LIFETIME,
            )
            events.record(
                "invitation.sent",
                f"{email} was invited as {role.label.lower()}.",
                workspace=workspace,
                by=by,
            )
    except IntegrityError:
        raise ValidationError(
            "This address is invited already. Send the invitation again, or revoke it."
        ) from None
    return invitation, secret


def send(*, invitation: Invitation, by: User, address: str) -> None:
    """Mail the link `address` to whom it is for, and to nobody else."""
    get_adapter().send_mail(
        "accounts/email/invitation",
        invitation.email,
        {
            "workspace_name": invitation.workspace.name,
            "by": by.get_full_name(),
            "role": Role(invitation.role).label.lower(),
            "days": LIFETIME.days,
            "address": address,
        },
    )


def renew(*, invitation: Invitation, by: User) -> str:
    """The secret of a new link, valid for another week; the old link stops working.

    Raises:
        ValidationError: it is no longer open, or was sent less than a minute ago.
    """
    secret = secrets.token_urlsafe(32)
    now = timezone.now()
    with transaction.atomic():
        changed = Invitation.objects.filter(
            pk=invitation.pk, accepted_at=None, revoked_at=None, sent_at__lte=now - RESEND_AFTER
        ).update(digest=digest_of(secret), sent_at=now, expires_at=now + LIFETIME, updated_at=now)
        if not changed:
            raise ValidationError(
                "The invitation was sent a moment ago, or is no longer open. Wait a minute."
            )
        events.record(
            "invitation.resent",
            f"The invitation of {invitation.email} was sent again.",
            workspace=invitation.workspace,
            by=by,
        )
    return secret


def revoke(*, invitation: Invitation, by: User) -> bool:
    """Make the link useless; False when it was already."""
    now = timezone.now()
    with transaction.atomic():
        changed = Invitation.objects.filter(
            pk=invitation.pk, accepted_at=None, revoked_at=None
        ).update(revoked_at=now, updated_at=now)
        if changed:
            events.record(
                "invitation.revoked",
                f"The invitation of {invitation.email} was revoked.",
                workspace=invitation.workspace,
                by=by,
            )
    return bool(changed)


def accept(*, invitation: Invitation, user: User) -> Membership:
    """Let `user` into the workspace. The link works once, whoever is fastest.

    Holding the link proves who reads that mailbox, so the address counts as confirmed.

    Raises:
        PermissionDenied: `user` has another e-mail address than the one invited.
        ValidationError: it was accepted, revoked or expired meanwhile.
    """
    if not is_for(invitation, user):
        raise PermissionDenied("This invitation is for another e-mail address.")
    now = timezone.now()
    with transaction.atomic():
        won = Invitation.objects.filter(
            pk=invitation.pk, accepted_at=None, revoked_at=None, expires_at__gt=now
        ).update(accepted_at=now, updated_at=now)
        if not won:
            raise ValidationError("This invitation is no longer valid. Ask for a new one.")
        membership, _ = Membership.objects.get_or_create(
            user=user, workspace=invitation.workspace, defaults={"role": invitation.role}
        )
        EmailAddress.objects.filter(user=user, email__iexact=invitation.email).update(verified=True)
        events.record(
            "invitation.accepted",
            f"{invitation.email} joined as {Role(membership.role).label.lower()}.",
            workspace=invitation.workspace,
            user=user,
            by=user,
        )
    return membership


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether `user` is whom the mail was sent to."""
    return user.email.lower() == invitation.email


def open_of(workspace: Workspace) -> QuerySet[Invitation]:
    """Invitations that were neither accepted nor revoked, newest first; some may have expired."""
    return Invitation.objects.filter(workspace=workspace, accepted_at=None, revoked_at=None)


def find(secret: str) -> Invitation:
    """The invitation that a link stands for, while it can be accepted.

    Raises:
        Http404: there is none, or it was accepted, revoked or expired.
    """
    found = (
        Invitation.objects.select_related("workspace", "invited_by")
        .filter(
            Q(digest=digest_of(secret), accepted_at=None, revoked_at=None),
            expires_at__gt=timezone.now(),
        )
        .first()
    )
    if found is None:
        raise Http404("There is no such invitation.")
    return found
