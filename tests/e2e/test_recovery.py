"""Kill what sends: the stream is back by itself, where the clock says."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Installation
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def demo(installation: Installation) -> dict[str, Any] | None:
    """The demo channel, as the receiver has it now."""
    streams = installation.receiver()["streams"]
    return next((stream for stream in streams if stream["name"].startswith("demo")), None) or (
        streams[0] if streams else None
    )


def pid_of(installation: Installation, name: str) -> int:
    """Of the process that holds this lock of the node."""
    lock = installation.data_dir / "node" / f"{name}.lock"
    # Empty for the moment between taking the lock and writing into it.
    return int(wait_until(lambda: lock.read_text().strip(), f"nobody holds {lock.name}"))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def kill(installation: Installation, *names: str) -> None:
    """SIGKILL, and wait until they are gone."""
    pids = [pid_of(installation, name) for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        wait_until(lambda pid=pid: not is_running(pid), "it does not die")


def moving(installation: Installation) -> dict[str, Any]:
    """The demo channel, once the receiver gets more of it than a moment ago."""
    first = wait_until(lambda: demo(installation), "the demo channel is not on air")

    def grown() -> Any:
        now = demo(installation)
        if now is None or now["connected_since"] != first["connected_since"]:
            return None
        return now if now["bytes"] > first["bytes"] + 50_000 else None

    return dict(wait_until(grown, "the receiver gets nothing more"))


@pytest.mark.parametrize("names", [("pump-0",), ("pump-0", "control")], ids=["pump", "both"])
def test_a_new_session_begins_where_the_clock_says(
    installation: Installation, names: tuple[str, ...]
) -> None:
    before = moving(installation)
    began = time.monotonic()
    kill(installation, *names)

    def is_back() -> Any:
        now = demo(installation)
        return (
            now
            and now["connected_since"] != before["connected_since"]
            and now["video_messages"] > 0
            and now
        )

    after = wait_until(is_back, f"not back on air after {names} died")
    gap = time.monotonic() - began
    # The time line goes on as if nothing had happened: later by what passed, not from nought.
    ahead = after["last_video_ms"] - before["last_video_ms"]
    assert abs(ahead / 1000 - gap) < 3
    assert after["sessions"] == before["sessions"] + 1


@pytest.mark.slow
def test_killing_control_alone_does_not_touch_what_is_on_air(installation: Installation) -> None:
    before = moving(installation)
    control = pid_of(installation, "control")
    pump = pid_of(installation, "pump-0")
    kill(installation, "control")
    wait_until(lambda: pid_of(installation, "control") != control, "no new control")
    # Longer than the pump may go on without a control that renews its lease.
    end = time.monotonic() + 14
    frames = before["video_messages"]
    while time.monotonic() < end:
        time.sleep(1)
        now = demo(installation)
        assert now is not None
        assert now["connected_since"] == before["connected_since"]
        assert now["video_messages"] > frames
        frames = now["video_messages"]
    assert pid_of(installation, "pump-0") == pump


def test_a_restarted_receiver_is_found_again(installation: Installation) -> None:
    before = moving(installation)
    receiver = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if _is_receiver_of(installation, path)
    ]
    assert len(receiver) == 1
    os.kill(receiver[0], signal.SIGKILL)

    def listens() -> bool:
        try:
            installation.receiver()
        except OSError:
            return False
        return True

    wait_until(listens, "the receiver does not come back")
    wait_until(
        lambda: (now := demo(installation)) and now["video_messages"] > 0 and now,
        "the stream does not come back",
    )
    assert moving(installation)["last_video_ms"] > before["last_video_ms"]


def _is_receiver_of(installation: Installation, path: Path) -> bool:
    port = installation.setting("INGEST_SIMULATOR_URL").split("/")[2].rpartition(":")[2]
    try:
        words = path.read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"simulator" in words and port.encode() in words
