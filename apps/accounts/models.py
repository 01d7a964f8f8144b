"""Users log in by e-mail; a workspace is the tenant, and a membership the only way into it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.core.models import Identified, Record


class Role(models.TextChoices):
    """What a member may do; compare with `>=`, an owner may do all an editor may."""

    VIEWER = "viewer", _("Viewer")
    EDITOR = "editor", _("Editor")
    OWNER = "owner", _("Owner")

    @property
    def rank(self) -> int:
        """Greater for more rights."""
        return list(Role).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < Role(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Role(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Role(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Role(other).rank


class UserManager(BaseUserManager["User"]):
    """Makes users from an e-mail address and a password."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A saved user; without a password nobody can log in by one."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A saved user who may enter the admin."""
        return self.create_user(
            email, password, **{"is_staff": True, "is_superuser": True} | fields
        )

    def get_by_natural_key(self, username: str | None) -> User:
        """By e-mail, whatever its case."""
        return self.get(email__iexact=username)


class User(Record, AbstractBaseUser, PermissionsMixin):
    """A person."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_email_ci"),
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        """The name, or the e-mail address of somebody who gave none."""
        return self.name or self.email

    get_short_name = get_full_name


class Workspace(Record):
    """The tenant: everything else belongs to one."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        User, through="Membership", related_name="workspaces"
    )

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its settings page."""
        return f"{reverse('settings')}?workspace={self.slug}"


class Membership(Record):
    """One person's role in one workspace."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    first_steps_hidden = models.BooleanField(default=False)
    """They do not want to see the list of first steps here any more."""

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "workspace"], name="accounts_membership_once_per_workspace"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="accounts_membership_known_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}:{self.role}"


class Scope(models.TextChoices):
    """What a token may be used for. None includes another."""

    READ = "read", _("Read everything in the workspace")
    LIBRARY = "library", _("Upload, change and delete files")
    STREAMS = "streams", _("Change playlists and streams, start and stop them")
    ADMIN = "admin", _("Rename the workspace, manage members and tokens")

    @property
    def role(self) -> Role:
        """The role that its holder must have in the workspace."""
        return {Scope.READ: Role.VIEWER, Scope.ADMIN: Role.OWNER}.get(self, Role.EDITOR)


class ApiToken(Record):
    """A credential of one workspace for programs; only a digest of it is kept."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="api_tokens")
    created_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=120)
    scopes = models.JSONField(default=list)
    """Values of `Scope`."""
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    """To the minute."""

    role: Role
    """What its maker may do in the workspace now; set by `access`."""

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class Invitation(Record):
    """An offer to join a workspace, sent to one e-mail address; only a digest of its link is kept.

    It is open until it is accepted or revoked; past `expires_at` it can only be sent again.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    """In lower case."""
    role = models.CharField(max_length=10, choices=Role.choices)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="accounts_invitation_open_once",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="accounts_invitation_known_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.workspace_id}"


class AuditEntry(Identified):
    """Who changed what about people: written once, never changed.

    `workspace` is the team it concerns, None for what concerns an account alone.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, null=True, related_name="audit"
    )
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="audit")
    """Whose membership or account it is."""
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    code = models.CharField(max_length=40)
    text = models.CharField(max_length=300)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "id"]
        indexes = [
            models.Index(fields=["workspace", "-at"], name="accounts_audit_team"),
            models.Index(fields=["user", "-at"], name="accounts_audit_person"),
        ]

    def __str__(self) -> str:
        return f"{self.code} at {self.at}"
