"""The append-only log of who changed what about people."""

from __future__ import annotations

from apps.accounts.models import AuditEntry, User, Workspace

SHOWN = 10


def record(
    code: str,
    text: str,
    *,
    workspace: Workspace | None = None,
    user: User | None = None,
    by: User | None = None,
) -> AuditEntry:
    """Add one entry. Call it inside the transaction of what it tells."""
    return AuditEntry.objects.create(
        workspace=workspace, user=user, by=by, code=code, text=text[:300]
    )


def of_team(workspace: Workspace) -> list[AuditEntry]:
    """The latest entries about a team, newest first, with who did it: one query."""
    return list(AuditEntry.objects.filter(workspace=workspace).select_related("by")[:SHOWN])


def of_account(user: User) -> list[AuditEntry]:
    """The latest entries about somebody's own account, newest first: one query."""
    return list(AuditEntry.objects.filter(user=user, workspace=None)[:SHOWN])
