"""Tiny real media, and a library of its own for each test."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.models import User, Workspace
from apps.library import preparation, services
from apps.library.models import Asset

PROFILE = "480p30-economy"


def _make(path: Path, *arguments: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, str(path)], check=True, timeout=60)
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 160x90 at 25 frames a second with mono sound."""
    return _make(
        tmp_path_factory.mktemp("media") / "clip.mp4",
        *("-f", "lavfi", "-i", "testsrc=s=160x90:r=25:d=2"),
        *("-f", "lavfi", "-i", "sine=d=2", "-c:v", "libx264", "-preset", "ultrafast"),
        *("-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"),
    )


@pytest.fixture(scope="session")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of sound without a picture."""
    return _make(tmp_path_factory.mktemp("media") / "tone.mp3", "-f", "lavfi", "-i", "sine=d=2")


@pytest.fixture(scope="session")
def mute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of pictures without sound."""
    return _make(
        tmp_path_factory.mktemp("media") / "mute.mp4",
        *("-f", "lavfi", "-i", "testsrc=s=160x90:r=25:d=1"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
    )


@pytest.fixture(autouse=True)
def library(settings, tmp_path: Path) -> Path:
    """Where this test's files lie."""
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    }
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.DEFAULT_PROFILE = PROFILE
    settings.ENCODE_PRESET = "ultrafast"
    return tmp_path


@pytest.fixture
def received(alice: User, workspace: Workspace) -> Callable[..., Asset]:
    """Give bytes or a file to the library as Alice would."""

    def receive(content: bytes | Path, name: str = "clip.mp4") -> Asset:
        data = content.read_bytes() if isinstance(content, Path) else content
        return services.receive_file(
            workspace=workspace, by=alice, file=SimpleUploadedFile(name, data)
        )

    return receive


@pytest.fixture
def ready(received: Callable[..., Asset], clip: Path) -> Asset:
    """A clip that was checked."""
    asset = received(clip)
    assert preparation.check(asset.pk) == "ready"
    asset.refresh_from_db()
    return asset


def files_in(directory: Path) -> list[str]:
    """Every file below, as relative paths."""
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())
