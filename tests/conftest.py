"""Three people and, for those who ask, real servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from apps.accounts import services
from apps.accounts.models import Membership, Role, User, Workspace
from tests import servers

PASSWORD = "correct horse battery staple"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's folder says what it needs."""
    for item in items:
        if "/tests/integration/" in item.path.as_posix():
            item.add_marker(pytest.mark.integration)
        elif "/tests/e2e/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def alice(db: None) -> User:
    """Owns the workspace."""
    return services.create_user(email="alice@example.org", password=PASSWORD, name="Alice")


@pytest.fixture
def workspace(alice: User) -> Workspace:
    """Alice's."""
    return alice.workspaces.get()


@pytest.fixture
def bob(workspace: Workspace, request: pytest.FixtureRequest) -> User:
    """On Alice's team: a viewer, or the role given by `parametrize("bob", […], indirect=True)`."""
    user = services.create_user(email="bob@example.org", password=PASSWORD, name="Bob")
    role = Role(getattr(request, "param", Role.VIEWER))
    Membership.objects.create(user=user, workspace=workspace, role=role)
    return user


@pytest.fixture
def charlie(db: None) -> User:
    """A stranger, who must see nothing of Alice's."""
    return services.create_user(email="charlie@example.org", password=PASSWORD, name="Charlie")


@pytest.fixture
def as_alice(alice: User) -> Client:
    """A browser in which Alice is signed in."""
    return _signed_in(alice)


@pytest.fixture
def as_bob(bob: User, workspace: Workspace) -> Client:
    """A browser in which Bob is signed in and has chosen Alice's workspace."""
    client = _signed_in(bob)
    session = client.session
    session["workspace"] = workspace.slug
    session.save()
    return client


@pytest.fixture
def as_charlie(charlie: User) -> Client:
    """A browser in which Charlie is signed in."""
    return _signed_in(charlie)


@pytest.fixture
def local_disk(settings: Settings, tmp_path: Path) -> Path:
    """Files of this test go to a directory of its own, also in a run over an object store."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    }
    return settings.MEDIA_ROOT


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The address of a PostgreSQL of our own: the one this run uses, or a fresh one."""
    known = os.environ.get("DATABASE_URL", "")
    if known.startswith("postgres"):
        yield known
        return
    with servers.postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of a Valkey of our own."""
    with servers.valkey() as url:
        yield url


@pytest.fixture(scope="session")
def s3() -> Iterator[servers.S3]:
    """An S3-compatible store of our own: the one this run uses, or a fresh one."""
    known = os.environ
    if known.get("AWS_S3_ENDPOINT_URL", "").startswith("http://127.0.0.1:"):
        yield servers.S3(
            known["AWS_S3_ENDPOINT_URL"],
            known["AWS_STORAGE_BUCKET_NAME"],
            known["AWS_ACCESS_KEY_ID"],
            known["AWS_SECRET_ACCESS_KEY"],
        )
        return
    with servers.object_store() as store:
        yield store


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
