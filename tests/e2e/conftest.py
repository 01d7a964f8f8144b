"""A whole installation, started as people start it, and a browser."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright

from tests.e2e.pages import Showcase, serve
from tests.servers import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
LINES_TOLD = 15

# Five seconds are the default, which a machine that runs three of these at once may need.
expect.set_options(timeout=40_000)


@dataclass
class Installation:
    """What `manage.py up` runs."""

    address: str
    data_dir: Path
    process: subprocess.Popen[str]
    output: Path

    def receiver(self) -> dict[str, Any]:
        """What the receiver says it gets; it knows nothing of our database."""
        settings = (self.data_dir / ".env").read_text()
        base = re.search(r"^INGEST_SIMULATOR_HTTP=(\S+)", settings, re.MULTILINE)
        assert base is not None
        with urllib.request.urlopen(f"{base[1]}/status.json", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def setting(self, name: str) -> str:
        """A value that the installation chose for itself."""
        found = re.search(rf"^{name}=(\S+)", (self.data_dir / ".env").read_text(), re.MULTILINE)
        assert found is not None
        return found[1]

    def password(self) -> str:
        """The demo account's, as it was printed."""
        found = re.search(r"Password\s+(\S+)", self.output.read_text())
        assert found is not None
        return found[1]

    def youtube(self, what: str = "state.json", **fields: Any) -> dict[str, Any]:
        """The truth at the simulated YouTube, or, with `fields`, what happens there."""
        data = json.dumps(fields).encode() if fields else None
        request = urllib.request.Request(
            f"{self.setting('INGEST_SIMULATOR_HTTP')}/simulator/{what}",
            data=data,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def without_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment without what this test run has set for its own Django."""
    ours = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE", "ENV_FILE",
            "ENVIRONMENT", "SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "ALLOWED_HOSTS", "DEBUG",
            "DATA_DIR")  # fmt: skip
    return {
        name: value
        for name, value in variables.items()
        if name not in ours and not name.startswith("AWS_")
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A case that fails shows what the person saw, and what the installation said last."""
    report = yield
    if not report.failed or call.when != "call":
        return report
    used = getattr(item, "funcargs", {})
    page, installation = used.get("page"), used.get("installation")
    if isinstance(page, Page):
        with contextlib.suppress(Error):
            report.sections.append((f"what stands on {page.url}", page.inner_text("body")))
    if isinstance(installation, Installation):
        for log in (installation.output, *sorted(installation.data_dir.glob("log/*"))):
            lines = log.read_text(errors="replace").splitlines()[-LINES_TOLD:]
            report.sections.append((f"the end of {log.name}", "\n".join(lines)))
    return report


@contextmanager
def installed(**settings: str) -> Iterator[Installation]:
    """A fresh one, in a directory and on a port of its own, with its demo on air."""
    data_dir = Path(tempfile.mkdtemp(prefix="streamer-e2e-", dir="/tmp"))
    port = free_port()
    output = data_dir / "up.log"
    environment = without_settings(os.environ)
    environment |= {
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "DEFAULT_PROFILE": "480p30-economy",
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT, env=environment, stdout=log, stderr=log, text=True, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(
            lambda: "Ready after" in output.read_text() or process.poll() is not None,
            "it is not up",
            seconds=240,
        )
        assert process.poll() is None, output.read_text()
        yield Installation(f"http://127.0.0.1:{port}", data_dir, process, output)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """One for all cases."""
    with installed() as running:
        yield running


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an empty database and collected static files, made once for all to copy."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Beside those of the other processes of this run.
        base = base.parent
    directory = base / "fresh"
    environment = without_settings(os.environ) | {
        "ENV_FILE": "",
        "ENVIRONMENT": "test",
        "DATA_DIR": str(directory),
        "SECRET_KEY": "nothing is kept with it",
        "FIELD_ENCRYPTION_KEYS": "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtMDA=",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    with (base / "fresh.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "static").exists():
            directory.mkdir()
            for command in (["migrate", "-v0"], ["collectstatic", "-v0", "--noinput"]):
                subprocess.run(
                    [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True
                )
    return directory


@pytest.fixture(scope="session")
def showcase(fresh: Path) -> Iterator[Showcase]:
    """The web of the product with a workspace in every state."""
    with serve(fresh=fresh) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium of the system."""
    program = shutil.which("chromium") or "/usr/bin/chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, installation: Installation) -> Iterator[Page]:
    """A page of somebody who was never here; what it complains about fails the test."""
    complaints: list[str] = []
    context = browser.new_context(
        base_url=installation.address, viewport={"width": 1280, "height": 900}
    )
    page = context.new_page()
    page.set_default_timeout(40_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def note(message: ConsoleMessage) -> None:
        # A refused form is an answer, which Chromium reports as if it were a fault.
        if message.type == "error" and "status of 422" not in message.text:
            complaints.append(message.text)

    page.on("console", note)
    yield page
    context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of a test picture with a tone, as a phone might have made them."""
    path = tmp_path_factory.mktemp("clip") / "Harbour at night.mp4"
    subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin",
            "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=24:duration=6",
            "-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=6",
            "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
            "-ac", "1", str(path),
        ],
        check=True,
    )  # fmt: skip
    return path
