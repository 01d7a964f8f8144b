"""Golden bytes: what real programs said (see `vectors/rtmp/capture.py`), and what ours says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from playout.rtmp import amf0
from playout.rtmp.connection import Publisher, Receiver
from playout.rtmp.events import (
    Acknowledged,
    Connected,
    Event,
    HandshakeCompleted,
    MessageReceived,
    PublishEnded,
    PublishRequested,
    PublishStarted,
    Rejected,
    Unpublished,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "rtmp"
RANDOM = bytes(1528)


def make_publisher() -> Publisher:
    return Publisher(
        app="live2",
        tc_url="rtmp://host/live2",
        stream_name="golden",
        handshake_random=RANDOM,
    )


def lines(name: str) -> list[str]:
    rows = (VECTORS / name).read_text().splitlines()
    return [row for row in rows if row and not row.startswith("#")]


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        (
            "nginx-receives.bin",
            [
                PublishStarted(1),
                Acknowledged(3457),
                Acknowledged(6483),
                Acknowledged(9509),
                Unpublished(),
            ],
        ),
        (
            "nginx-refuses.bin",
            [Rejected("NetStream.Publish.BadName", "error", "Already publishing")],
        ),
        (
            "ffmpeg-receives.bin",
            [
                PublishStarted(1),
                *[Acknowledged(n) for n in (1756, 3269, 4782, 6295, 7808, 9321)],
            ],
        ),
    ],
)
@pytest.mark.parametrize("portion", [1, 100, 10_000])
def test_a_client_understands_what_servers_say(name: str, rest: list[Event], portion: int) -> None:
    data = (VECTORS / name).read_bytes()
    publisher = make_publisher()
    told: list[Event] = []
    for start in range(0, len(data), portion):
        told += publisher.receive(data[start : start + portion])
    assert told == [HandshakeCompleted(), Connected(), *rest]


@pytest.mark.parametrize("name", ["ffmpeg-publishes", "ffmpeg-publishes-late"])
@pytest.mark.parametrize("portion", [1, 100, 10_000])
def test_a_server_understands_what_ffmpeg_publishes(name: str, portion: int) -> None:
    data = (VECTORS / f"{name}.bin").read_bytes()
    receiver = Receiver(handshake_random=RANDOM)
    told: list[Event] = []
    for start in range(0, len(data), portion):
        news = receiver.receive(data[start : start + portion])
        if news and isinstance(news[-1], PublishRequested):
            news += receiver.accept()
        told += news
    assert told[:2] == [HandshakeCompleted(), PublishRequested("live", "golden")]
    assert told[-1] == PublishEnded()
    rows = []
    for event in told[2:-1]:
        assert isinstance(event, MessageReceived)
        digest = hashlib.md5(event.payload).hexdigest()
        rows.append(f"{event.kind.value} {event.timestamp} {len(event.payload)} {digest}")
    assert rows == lines(f"{name}.txt")


def test_a_client_says_what_was_checked_by_hand() -> None:
    publisher, receiver = make_publisher(), Receiver(handshake_random=RANDOM)
    said = b""

    def exchange() -> None:
        nonlocal said
        while data := publisher.bytes_to_send():
            said += data
            receiver.receive(data)
            if answer := receiver.bytes_to_send():
                publisher.receive(answer)

    exchange()
    receiver.accept()
    receiver.ping(0x01020304)
    publisher.receive(receiver.bytes_to_send())
    exchange()
    publisher.queue_metadata({"width": 1920, "encoder": "playout"})
    exchange()
    publisher.unpublish()
    exchange()
    handshake = b"\x03" + RANDOM + bytes(8) + RANDOM + bytes(8)
    assert said == handshake + bytes.fromhex("".join(lines("publisher-says.txt")))


def test_metadata_of_ffmpeg_is_understood() -> None:
    receiver = Receiver(handshake_random=RANDOM)
    receiver.receive((VECTORS / "ffmpeg-publishes.bin").read_bytes())
    first = receiver.accept()[0]
    assert isinstance(first, MessageReceived)
    name, values = amf0.decode(first.payload)
    assert name == "onMetaData"
    assert isinstance(values, amf0.EcmaArray)
    assert (values["width"], values["height"], values["framerate"]) == (32.0, 32.0, 10.0)
