"""The only writer of users, workspaces, memberships and tokens."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.text import slugify

from apps.accounts import events
from apps.accounts.access import digest_of, role_in
from apps.accounts.models import ApiToken, Membership, Role, Scope, User, Workspace

TOKEN_PREFIX = "ys_"  # noqa: S105 - a public prefix by which scanners recognise a leaked token


def create_user(*, email: str, password: str | None = None, name: str = "") -> User:
    """A user with a workspace of their own; the caller vouches for the address."""
    with transaction.atomic():
        user = User.objects.create_user(email, password, name=name)
        confirm_email(user=user)
        ensure_workspace(user=user)
    return user


def confirm_email(*, user: User) -> None:
    """Take the user's address as theirs, without a mail."""
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )


def rename_user(*, user: User, name: str) -> None:
    """Change the name that others on a team see."""
    user.name = name
    user.save(update_fields=["name", "updated_at"])


def ensure_workspace(*, user: User) -> Workspace | None:
    """Give `user` a personal workspace; None when they already belong to one."""
    if user.memberships.exists():
        return None
    name = user.name or user.email.partition("@")[0]
    return create_workspace(owner=user, name=f"{name}'s workspace", slug_hint=name)


def create_workspace(*, owner: User, name: str, slug_hint: str = "") -> Workspace:
    """A new workspace owned by `owner`."""
    stem = slugify(slug_hint or name)[:40] or "workspace"
    with transaction.atomic():
        workspace = Workspace.objects.create(name=name, slug=f"{stem}-{secrets.token_hex(4)}")
        Membership.objects.create(user=owner, workspace=workspace, role=Role.OWNER)
    return workspace


def rename_workspace(*, workspace: Workspace, name: str) -> None:
    """Change the name people see; the address stays."""
    workspace.name = name
    workspace.save(update_fields=["name", "updated_at"])


def add_member(
    *, workspace: Workspace, email: str, role: Role, by: User | None = None
) -> Membership:
    """Let the person with the account `email` in.

    Raises:
        ValidationError: nobody has this account, or they are a member already.
    """
    user = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
    if user is None:
        raise ValidationError("Nobody has an account with this e-mail. Ask them to sign up first.")
    with transaction.atomic():
        membership, made = Membership.objects.get_or_create(
            user=user, workspace=workspace, defaults={"role": role}
        )
        if not made:
            raise ValidationError("This person is a member already. Change the role in the list.")
        text = f"{user.email} was added as {role.label.lower()}."
        events.record("member.added", text, workspace=workspace, user=user, by=by)
    return membership


def change_role(*, membership: Membership, role: Role, by: User | None = None) -> None:
    """Give a member another role.

    Raises:
        ValidationError: the workspace would be left without an owner.
    """
    with transaction.atomic():
        if role is not Role.OWNER:
            _keep_an_owner(membership)
        membership.role = role
        membership.save(update_fields=["role", "updated_at"])
        events.record(
            "member.role",
            f"{membership.user.email} is {role.label.lower()} now.",
            workspace=membership.workspace,
            user=membership.user,
            by=by,
        )


def transfer_ownership(*, workspace: Workspace, to: Membership, by: User) -> None:
    """Make the member `to` the owner, and `by`, who was it, an editor: both or neither.

    Raises:
        ValidationError: `by` is no owner any more, or `to` is `by` or in another workspace.
    """
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=workspace.pk)
        theirs = Membership.objects.filter(pk=to.pk, workspace=workspace).exclude(user=by)
        own = Membership.objects.filter(workspace=workspace, user=by, role=Role.OWNER)
        if not own.exists() or not theirs.exists():
            raise ValidationError("Choose another member to be the owner.")
        now = timezone.now()
        theirs.update(role=Role.OWNER, updated_at=now)
        own.update(role=Role.EDITOR, updated_at=now)
        events.record(
            "workspace.transferred",
            f"{by.email} handed the workspace over to {to.user.email}.",
            workspace=workspace,
            user=to.user,
            by=by,
        )


def hide_first_steps(*, user: User, workspace: Workspace) -> None:
    """Do not show `user` the list of first steps in `workspace` again."""
    Membership.objects.filter(user=user, workspace=workspace).update(first_steps_hidden=True)


def remove_member(*, membership: Membership, by: User | None = None) -> None:
    """Shut a member out, or let one leave; their tokens for this workspace stop working at once.

    Raises:
        ValidationError: the workspace would be left without an owner.
    """
    with transaction.atomic():
        _keep_an_owner(membership)
        ApiToken.objects.filter(
            workspace_id=membership.workspace_id, created_by_id=membership.user_id
        ).delete()
        left = by is not None and by.pk == membership.user_id
        events.record(
            "member.left" if left else "member.removed",
            f"{membership.user.email} {'left' if left else 'was removed'}.",
            workspace=membership.workspace,
            user=membership.user,
            by=by,
        )
        membership.delete()


EDITING = (Scope.READ, Scope.LIBRARY, Scope.STREAMS)
"""Scopes of a token when nothing is said: all but managing the workspace."""


def create_token(
    *, workspace: Workspace, by: User, name: str, scopes: Collection[str] = EDITING
) -> tuple[ApiToken, str]:
    """A new API token and its text, which cannot be read again later.

    Raises:
        ValidationError: no scope, an unknown one, or one that is more than `by` may do there.
    """
    chosen = [scope for scope in Scope if scope in scopes]
    unknown = set(scopes) - set(Scope.values)
    if unknown or not chosen:
        raise ValidationError(
            f"Choose at least one of the scopes {', '.join(Scope.values)}, and no other."
        )
    role = role_in(by, workspace)
    excess = [scope.value for scope in chosen if role is None or role < scope.role]
    if excess:
        raise ValidationError(f"{by.email} may not give the scope {', '.join(excess)} here.")
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken.objects.create(
            workspace=workspace,
            created_by=by,
            name=name,
            scopes=[scope.value for scope in chosen],
            digest=digest_of(text),
            hint=text[:8],
        )
        what = f"The API token “{name}” was made ({', '.join(token.scopes)})."
        events.record("token.made", what, workspace=workspace, user=by, by=by)
    return token, text


def revoke_token(*, token: ApiToken, by: User | None = None) -> None:
    """Make a token worthless at once."""
    with transaction.atomic():
        what = f"The API token “{token.name}” was revoked."
        events.record(
            "token.revoked", what, workspace=token.workspace, user=token.created_by, by=by
        )
        token.delete()


def note_use(*, token: ApiToken) -> None:
    """Remember that a token was used; at most one write a minute."""
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1):
        # A full disk or a locked database is no reason to refuse somebody who only reads.
        with contextlib.suppress(DatabaseError), transaction.atomic():
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


def _keep_an_owner(membership: Membership) -> None:
    # The workspace row serialises two owners who remove each other at the same moment.
    Workspace.objects.select_for_update().get(pk=membership.workspace_id)
    others = Membership.objects.filter(
        workspace_id=membership.workspace_id, role=Role.OWNER
    ).exclude(pk=membership.pk)
    if not others.exists():
        raise ValidationError("A workspace needs an owner. Make somebody else owner first.")


DEMO_EMAIL = "demo@example.org"
DEMO_WORKSPACE = "demo"


def ensure_demo_account(*, password: str) -> Workspace:
    """The embedded demo's account and workspace; the password is set again if it differs."""
    with transaction.atomic():
        user = User.objects.filter(email=DEMO_EMAIL).first()
        if user is None:
            user = User.objects.create_user(DEMO_EMAIL, password, name="Demo")
        elif not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password", "updated_at"])
        confirm_email(user=user)
        workspace, _ = Workspace.objects.get_or_create(
            slug=DEMO_WORKSPACE, defaults={"name": "Demo"}
        )
        Membership.objects.get_or_create(
            user=user, workspace=workspace, defaults={"role": Role.OWNER}
        )
    return workspace
