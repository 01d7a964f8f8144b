"""`manage.py up` as a person runs it: one installation for all cases, with the demo on air.

What is on air is judged at the receiver, by its own count of what it was sent.
"""

import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from config.env import parse_env_file
from tests import servers
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[3]


class Installation:
    """One `manage.py up` and what can be seen of it from outside."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = servers.free_port()
        self.said = ""
        self.process: subprocess.Popen[str] | None = None

    def command(self, *words: str) -> tuple[list[str], dict[str, str]]:
        known = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
        return (
            [sys.executable, "manage.py", *words],
            known | {"DATA_DIR": str(self.data_dir), "PORT": str(self.port)},
        )

    def start(self, **settings: str) -> None:
        command, environment = self.command("up")
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment | settings, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT if settings else None,
        )  # fmt: skip
        self.said = ""
        while "Ctrl-C stops" not in self.said:
            line = self.process.stdout.readline()
            assert line, f"it ended: {self.said}\n{self.logs()[-4000:]}"
            self.said += line

    def stop(self) -> int:
        """Ctrl-C, and the exit status."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=60)
        self.said += said
        return self.process.returncode

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=60)

    def logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')}"
            for path in sorted((self.data_dir / "log").glob("*"))
        )

    def settings(self) -> dict[str, str]:
        return parse_env_file((self.data_dir / ".env").read_text(), self.data_dir)

    def received(self) -> dict:
        """What the receiver counts for the one stream; empty while nobody publishes."""
        address = self.settings()["INGEST_SIMULATOR_HTTP"] + "/status.json"
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                streams = json.load(answer)["streams"]
        except OSError:
            return {}
        return streams[0] if streams else {}

    def health(self) -> dict:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/health/ready", timeout=20
            ) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return {"status": "does not answer"}

    def child(self, name: str) -> int:
        """The process id of a child, by the name that `ps` shows."""
        for pid in children_of(self.process.pid):
            if said_of(pid, "comm").strip() == f"streamer-{name}":
                return pid
        return 0

    def find(self, words: str) -> int:
        for pid in self.everybody():
            if words in said_of(pid, "cmdline").replace("\0", " "):
                return pid
        return 0

    def everybody(self) -> list[int]:
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [child for pid in new for child in children_of(pid)]
        return found


def said_of(pid: int, file: str) -> str:
    """What the kernel says of a process; nothing of one that ended since it was listed."""
    try:
        return Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    return [int(word) for word in said_of(pid, f"task/{pid}/children").split()]


def is_alive(pid: int) -> bool:
    state = said_of(pid, "stat").rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


@pytest.fixture(scope="module")
def home():
    with servers._directory("up") as path:
        yield path


@pytest.fixture(scope="module")
def up(home):
    installation = Installation(home / "data")
    try:
        installation.start()
        yield installation
    finally:
        installation.close()
        print(installation.said, installation.logs())  # shown when a case failed


def wait_for_media(up, *, session_other_than=None):
    """Until the receiver gets pictures in a session, which may have to be a new one."""
    known = None

    def flows():
        nonlocal known
        seen = up.received()
        if not seen or seen["connected_since"] == session_other_than:
            return False
        if known is None or seen["connected_since"] != known["connected_since"]:
            known = seen
        return seen["video_messages"] > known["video_messages"]

    wait_until(flows, "the receiver gets nothing")


def test_it_ends_with_the_demo_on_air(up):
    wait_for_media(up)
    assert up.health()["outputs"] == {"desired": 1, "on_air": 1}
    assert up.health()["status"] == "ok"


def test_the_printed_account_signs_in(up):
    email = re.search(r"Sign in\s+(\S+)", up.said).group(1)
    password = re.search(r"Password\s+(\S+)", up.said).group(1)
    base = f"http://127.0.0.1:{up.port}"
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    page = browser.open(f"{base}/accounts/login/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1)
    form = {"csrfmiddlewaretoken": token, "login": email, "password": password}
    answer = browser.open(f"{base}/accounts/login/", urllib.parse.urlencode(form).encode())
    assert answer.status == 200
    assert "sessionid" in {cookie.name for cookie in cookies}
    for address in ("/settings/", "/watch/"):
        assert browser.open(base + address).status == 200


def test_nobody_else_can_read_its_files(up):
    assert up.data_dir.stat().st_mode & 0o077 == 0
    for name in (".env", "demo-password", "db.sqlite3"):
        assert (up.data_dir / name).stat().st_mode & 0o077 == 0, name


def test_pages_bring_their_hashed_files(up):
    base = f"http://127.0.0.1:{up.port}"
    page = urllib.request.urlopen(f"{base}/").read().decode()
    sheets = re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', page)
    assert sheets
    for sheet in sheets:
        assert re.search(r"\.[0-9a-f]{12}\.", sheet)
        assert "immutable" in urllib.request.urlopen(base + sheet).headers["Cache-Control"]


def test_a_second_one_in_the_same_directory_is_refused(up):
    command, environment = up.command("up")
    second = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert "already runs" in second.stderr


def test_a_taken_port_is_named(up, home):
    other = Installation(home / "other")
    other.port = up.port
    command, environment = other.command("up")
    second = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert f"127.0.0.1:{up.port}" in second.stderr


def test_without_room_for_the_demo_everything_else_runs(home):
    small = Installation(home / "small")
    try:
        small.start(UPLOAD_MAX_BYTES="1000")
        assert "The demo clip was not taken in: The file is larger" in small.said
        assert "The demo channel is left out" in small.said
        assert "Traceback" not in small.said
        assert small.health()["outputs"] == {"desired": 0, "on_air": 0}
        assert small.stop() == 0
    finally:
        small.close()


def test_other_commands_find_the_same_installation(up):
    command, environment = up.command("doctor", "--json")
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_killing_control_alone_loses_nothing(up):
    before = up.received()
    control = up.child("node")
    os.kill(control, signal.SIGKILL)
    wait_until(lambda: up.child("node") not in (0, control), "no new control")
    time.sleep(3)
    after = up.received()
    assert after["connected_since"] == before["connected_since"]
    assert after["last_video_ms"] > before["last_video_ms"]


@pytest.mark.parametrize("victims", [["pump"], ["node", "pump"]], ids=["pump", "both"])
def test_what_was_killed_is_back_on_air(up, victims):
    before = up.received()["connected_since"]
    pids = [up.find("pump_process") if name == "pump" else up.child(name) for name in victims]
    assert all(pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for_media(up, session_other_than=before)
    wait_until(lambda: up.health()["outputs"]["on_air"] == 1, "it is not reported as on air")


def test_it_is_back_when_the_receiver_returns(up):
    before = up.received()["connected_since"]
    receiver = up.find("-m simulator")
    os.kill(receiver, signal.SIGKILL)
    wait_until(lambda: up.find("-m simulator") not in (0, receiver), "no new receiver")
    host = urllib.parse.urlsplit(up.settings()["INGEST_SIMULATOR_URL"])
    wait_until(lambda: servers._answers_tcp(host.port), "it does not listen")
    wait_for_media(up, session_other_than=before)


@pytest.mark.parametrize("name", ["web", "jobs", "youtube", "encoder", "broker"])
def test_the_stream_does_not_notice_the_death_of(up, name):
    wait_until(lambda: "connected_since" in up.received(), "the stream is not received")
    before = up.received()
    pid = up.find("valkey-server") if name == "broker" else up.child(name[:6])
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), "it does not die")
    wait_until(lambda: up.health()["status"] == "ok", "it does not recover")
    after = up.received()
    assert after["connected_since"] == before["connected_since"]


def test_no_key_is_seen_in_logs_or_in_the_process_list(up):
    key = up.received()["name"]
    lines = [said_of(pid, "cmdline") for pid in up.everybody()]
    streams = json.dumps(up.health())
    # The receiver itself names a stream by a digest of its key.
    import sqlite3

    rows = sqlite3.connect(up.data_dir / "db.sqlite3").execute(
        "SELECT count(*) FROM streaming_destination WHERE key LIKE 'demo-%'"
    )
    assert rows.fetchone() == (0,)
    for text in [up.logs(), streams, *lines]:
        assert not re.search(r"demo-[a-z2-9]{24}", text)
    assert key


def test_ctrl_c_ends_everything_and_a_second_run_resumes(up):
    everybody = up.everybody()
    password = re.search(r"Password\s+(\S+)", up.said).group(1)
    receiver_log = (up.data_dir / "log" / "receiver.log").read_text()
    assert up.stop() == 0
    assert not [pid for pid in everybody if is_alive(pid)]
    farewell = (up.data_dir / "log" / "receiver.log").read_text()[len(receiver_log) :]
    assert "the client ended the stream" in farewell
    began = time.monotonic()
    up.start()
    assert re.search(r"Password\s+(\S+)", up.said).group(1) == password
    wait_for_media(up)
    assert time.monotonic() - began < 30
    assert up.stop() == 0
