"""Real publishers at the simulator's ingest, and what its API and pages then say."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import imageio_ffmpeg
import pytest
import requests

from playout import clock
from playout.testing.tracks import write_item
from simulator import seed
from simulator.faults import Behaviour
from simulator.server import Options, Running, in_thread
from tests.simulator.service import CALLBACK, SCOPE, authorisation
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.integration

SCALE = 10


class Caller:
    """A client over real sockets."""

    def __init__(self, simulator: Running) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        form = [*authorisation().items(), ("who", f"harbour@example.org {seed.HARBOUR}")]
        form += [("granted", SCOPE), ("decision", "allow")]
        back = self.session.post(
            f"{simulator.url}/o/oauth2/v2/auth", data=form, allow_redirects=False, timeout=60
        )
        code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
        client = {"client_id": seed.CLIENT_ID, "client_secret": seed.CLIENT_SECRET}
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        tokens = self.session.post(f"{simulator.url}/token", data=client | grant, timeout=60)
        self.session.headers["authorization"] = f"Bearer {tokens.json()['access_token']}"

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        answer = self.session.request(
            method, f"{self.simulator.url}/youtube/v3/{path}", params=query, json=body, timeout=60
        )
        return answer.json() if answer.content else None

    def stream(self) -> dict[str, Any]:
        body = {
            "snippet": {"title": "Key"},
            "cdn": {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"},
            "contentDetails": {"isReusable": True},
        }
        found: dict[str, Any] = self.call("POST", "liveStreams", body, part="snippet,cdn,status")
        return found

    def broadcast(self, stream: dict[str, Any]) -> str:
        start = (clock.utc_now() + timedelta(minutes=2)).isoformat()
        body = {
            "snippet": {"title": "Night", "scheduledStartTime": start},
            "status": {"privacyStatus": "unlisted"},
            "contentDetails": {"monitorStream": {"enableMonitorStream": False}},
        }
        made = self.call("POST", "liveBroadcasts", body, part="snippet,status,contentDetails")
        self.call("POST", "liveBroadcasts/bind", part="id", id=made["id"], streamId=stream["id"])
        return str(made["id"])

    def transition(self, broadcast: str, status: str) -> Any:
        return self.call(
            "POST", "liveBroadcasts/transition", part="status", id=broadcast, broadcastStatus=status
        )

    def state(self, broadcast: str) -> str:
        found = self.call("GET", "liveBroadcasts", part="status", id=broadcast)
        return str(found["items"][0]["status"]["lifeCycleStatus"])

    def status(self, stream: dict[str, Any]) -> dict[str, Any]:
        found = self.call("GET", "liveStreams", part="status", id=stream["id"])
        return dict(found["items"][0]["status"])


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour(read_lag_s=0, lost_answers=0)


@pytest.fixture
def simulator(behaviour: Behaviour) -> Iterator[Running]:
    options = Options(seed=5, scale=SCALE, behaviour=behaviour, rtmps_port=0)
    with in_thread(options) as running:
        yield running
        assert running.application.api.wrong_answers == []


@pytest.fixture
def caller(simulator: Running) -> Caller:
    return Caller(simulator)


@contextlib.contextmanager
def ffmpeg(address: str, *, sound: bool = True, key_frames: int = 25) -> Iterator[Any]:
    """A stranger's encoder that publishes a test picture to `address`."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-re", "-f", "lavfi",
        "-i", "testsrc=size=320x240:rate=25", "-f", "lavfi", "-i", "sine=440:sample_rate=44100",
        "-map", "0:v", *(["-map", "1:a", "-c:a", "aac"] if sound else []), "-c:v", "libx264",
        "-preset", "ultrafast", "-g", str(key_frames), "-sc_threshold", "0", "-pix_fmt", "yuv420p",
        "-t", "60", "-f", "flv", address,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def address_of(stream: dict[str, Any], *, name: str = "ingestionAddress") -> str:
    info = stream["cdn"]["ingestionInfo"]
    return f"{info[name]}/{info['streamName']}"


def test_what_ffmpeg_sends_goes_live_and_is_watched(simulator: Running, caller: Caller) -> None:
    stream = caller.stream()
    broadcast = caller.broadcast(stream)
    watch = f"{simulator.url}/watch/{broadcast}.flv"
    with ffmpeg(address_of(stream)):
        wait_until(lambda: caller.status(stream)["streamStatus"] == "active", "the stream")
        caller.transition(broadcast, "live")
        wait_until(lambda: caller.state(broadcast) == "live", "the broadcast")
        with urllib.request.urlopen(watch, timeout=60) as answer:
            assert answer.read(3) == b"FLV"
            assert len(answer.read(20_000)) == 20_000
        # Ended by YouTube, the ingest goes on taking what nobody sees.
        requests.post(f"{simulator.url}/simulator/broadcasts/{broadcast}/complete", timeout=60)
        assert caller.state(broadcast) == "complete"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(watch, timeout=60)
        time.sleep(1)
        assert caller.status(stream)["streamStatus"] == "active"
        assert len(simulator.application.ingest.publishers) == 1  # type: ignore[union-attr]
    wait_until(lambda: caller.status(stream)["streamStatus"] == "inactive", "the end")


def test_health_comes_from_what_arrives(caller: Caller) -> None:
    stream = caller.stream()
    with ffmpeg(address_of(stream), sound=False, key_frames=75):

        def found() -> set[str]:
            health = caller.status(stream)["healthStatus"]
            return {issue["type"] for issue in health.get("configurationIssues", ())}

        wait_until(lambda: found() >= {"noAudioStream", "gopSizeLong"}, "issues")


def test_playout_air_publishes_over_tls_to_both_entries(
    simulator: Running, caller: Caller, tmp_path: Path
) -> None:
    stream = caller.stream()
    item = write_item(tmp_path, "item", 90)
    key = tmp_path / "key"
    key.write_text(stream["cdn"]["ingestionInfo"]["streamName"])
    info = stream["cdn"]["ingestionInfo"]
    airs = [
        subprocess.Popen(
            [sys.executable, "-m", "playout", "air", "--to", info[name], "--key-file", key,
             "--ca-file", simulator.certificate, "--loop", "--seconds", "30", item.video],
            stdout=subprocess.DEVNULL,
        )
        for name in ("rtmpsIngestionAddress", "rtmpsBackupIngestionAddress")
    ]  # fmt: skip
    try:
        sides = wait_until(
            lambda: (
                len(simulator.world.feeds.get(stream["id"], ())) == 2
                and {feed.side for feed in simulator.world.feeds[stream["id"]]}
            ),
            "both entries",
            seconds=30,
        )
        assert sides == {"primary", "backup"}
        wait_until(lambda: caller.status(stream)["streamStatus"] == "active", "the stream")
    finally:
        for air in airs:
            air.terminate()
        for air in airs:
            air.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("fault", ["unknown key", "refusing", "bad_name", "closing"])
def test_a_refused_publisher_is_sent_away(
    simulator: Running, caller: Caller, behaviour: Behaviour, fault: str
) -> None:
    address = address_of(caller.stream())
    if fault == "unknown key":
        address = f"{simulator.rtmp_url}/live2/aaaa-bbbb-cccc-dddd-eeee"
    else:
        behaviour.change({"ingest": fault})
    with ffmpeg(address) as process:
        assert process.wait(PATIENCE_SECONDS) != 0
    ingest = simulator.application.ingest
    assert ingest is not None
    assert (ingest.accepted, ingest.refused) == (0, 1)


def test_another_application_is_no_entry(simulator: Running, caller: Caller) -> None:
    key = caller.stream()["cdn"]["ingestionInfo"]["streamName"]
    with ffmpeg(f"{simulator.rtmp_url}/live/{key}") as process:
        assert process.wait(PATIENCE_SECONDS) != 0


def test_a_cut_connection_and_a_reset_key(simulator: Running, caller: Caller) -> None:
    stream = caller.stream()
    with ffmpeg(address_of(stream)) as process:
        wait_until(lambda: simulator.world.feeds.get(stream["id"]), "the publisher")
        answer = requests.post(
            f"{simulator.url}/simulator/streams/{stream['id']}/new-key", json={}, timeout=60
        )
        assert answer.json() == {"cut": 1}
        assert process.wait(PATIENCE_SECONDS) != 0
    with ffmpeg(address_of(stream)) as process:
        assert process.wait(PATIENCE_SECONDS) != 0


def test_a_black_hole_takes_the_connection_and_reads_nothing(
    simulator: Running, caller: Caller, behaviour: Behaviour
) -> None:
    stream = caller.stream()
    with ffmpeg(address_of(stream)) as process:
        wait_until(lambda: caller.status(stream)["streamStatus"] == "active", "the stream")
        behaviour.ingest = "black_hole"
        wait_until(lambda: caller.status(stream)["streamStatus"] == "inactive", "silence")
        assert process.poll() is None
        behaviour.ingest = "up"
        wait_until(lambda: caller.status(stream)["streamStatus"] == "active", "the return")


def test_two_publishers_of_one_key_are_both_taken(simulator: Running, caller: Caller) -> None:
    stream = caller.stream()
    with ffmpeg(address_of(stream)) as first, ffmpeg(address_of(stream)) as second:
        wait_until(lambda: len(simulator.world.feeds.get(stream["id"], ())) == 2, "both")
        time.sleep(1)
        assert (first.poll(), second.poll()) == (None, None)


def test_a_lost_answer_is_a_broken_connection(caller: Caller, behaviour: Behaviour) -> None:
    behaviour.lost_answers = 1
    with pytest.raises(requests.ConnectionError):
        caller.stream()
    behaviour.lost_answers = 0
    found = caller.call("GET", "liveStreams", part="id", mine="true")
    assert len(found["items"]) == 1


def test_a_restart_resumes(tmp_path: Path) -> None:
    calm = Behaviour(read_lag_s=0, lost_answers=0)
    options = Options(data=tmp_path, behaviour=calm)
    with in_thread(options) as running:
        caller = Caller(running)
        stream = caller.stream()
        broadcast = caller.broadcast(stream)
    snapshot = tmp_path / "simulator.json"
    assert snapshot.stat().st_mode & 0o077 == 0
    with in_thread(options) as running:
        caller.simulator = running
        assert caller.state(broadcast) == "ready"
        with ffmpeg(f"{running.rtmp_url}/live2/{stream['cdn']['ingestionInfo']['streamName']}"):
            wait_until(lambda: running.world.feeds.get(stream["id"]), "the publisher")
    snapshot.write_text("{}")
    with in_thread(options) as running:
        assert running.world.channels
        assert running.world.broadcasts == {}


def test_the_command_says_where_it_listens_and_ends_at_a_signal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulator", "--port", "0", "--rtmp-port", "0",
               "--data", tmp_path, "--set", "read_lag_s=0"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("Pages and API at http://127.0.0.1:")
        assert requests.get(first.split()[-1], timeout=60).status_code == 200
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
    wrong = subprocess.run(
        [*command[:3], "--set", "speed=1"], capture_output=True, check=False, text=True
    )
    assert wrong.returncode == 2
    assert "speed" in wrong.stderr


def test_a_key_typed_by_hand_is_taken_when_that_is_wanted(
    simulator: Running, behaviour: Behaviour
) -> None:
    behaviour.unknown_key = "accept"
    secret = "aaaa-bbbb-cccc-dddd-eeee"
    with ffmpeg(f"{simulator.rtmp_url}/live2/{secret}"):

        def streams() -> list[dict[str, Any]]:
            answer = requests.get(f"{simulator.url}/status.json", timeout=60)
            assert secret not in answer.text
            return [each for each in answer.json()["streams"] if each["video_messages"]]

        [stream] = wait_until(streams, "the publisher")
        assert (stream["sessions"], stream["width"]) == (1, 320)
        live = f"{simulator.url}/live/{stream['id']}.flv"
        with urllib.request.urlopen(live, timeout=60) as answer:
            assert answer.read(3) == b"FLV"
    wait_until(lambda: not simulator.application.ingest.publishers, "the end")  # type: ignore[union-attr]
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(live, timeout=60)
