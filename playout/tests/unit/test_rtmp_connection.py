"""A client and a server joined in memory."""

from __future__ import annotations

import itertools

import pytest
from playout.errors import ProtocolViolation
from playout.rtmp import amf0, chunks
from playout.rtmp.connection import AcknowledgementCounter, Publisher, Receiver
from playout.rtmp.events import (
    Acknowledged,
    Connected,
    ConnectRequested,
    Event,
    HandshakeCompleted,
    MessageKind,
    MessageReceived,
    Pinged,
    PongReceived,
    PublishEnded,
    PublishRequested,
    PublishStarted,
    ReconnectRequested,
    Rejected,
    StatusReceived,
    Unpublished,
)
from playout.rtmp.messages import Command, MessageType, user_control
from playout.rtmp.states import PublisherState, ReceiverState

KEY = "abcd-efgh-ijkl-mnop-qrst"
RANDOM = bytes(range(256)) * 5 + bytes(248)


def make_publisher(**changes: object) -> Publisher:
    settings: dict[str, object] = {
        "app": "live2",
        "tc_url": "rtmp://127.0.0.1/live2",
        "stream_name": KEY,
        "handshake_random": RANDOM,
    }
    return Publisher(**{**settings, **changes})  # type: ignore[arg-type]


def make_receiver(**changes: object) -> Receiver:
    return Receiver(**{"handshake_random": RANDOM, **changes})  # type: ignore[arg-type]


def exchange(publisher: Publisher, receiver: Receiver) -> tuple[list[Event], list[Event]]:
    """Carry bytes both ways until neither side has more to say."""
    told_publisher: list[Event] = []
    told_receiver: list[Event] = []
    for _ in itertools.count():
        up = publisher.bytes_to_send()
        if up:
            told_receiver += receiver.receive(up)
        down = receiver.bytes_to_send()
        if down:
            told_publisher += publisher.receive(down)
        if not up and not down:
            return told_publisher, told_receiver
    raise AssertionError


def on_air(**changes: object) -> tuple[Publisher, Receiver]:
    publisher, receiver = make_publisher(), make_receiver(**changes)
    exchange(publisher, receiver)
    receiver.accept()
    told, _ = exchange(publisher, receiver)
    assert told == [PublishStarted(1)]
    return publisher, receiver


def status(level: str, code: str, description: str = "", **more: amf0.Value) -> bytes:
    """An `onStatus` as a server with chunks of 4096 bytes sends it."""
    info: amf0.Value = {"level": level, "code": code, "description": description, **more}
    payload = Command("onStatus", 0, (None, info)).encode()
    return chunks.encode_message(5, MessageType.AMF0_COMMAND, 1, 0, payload, 4096)


def control(message_type: MessageType, payload: bytes) -> bytes:
    return chunks.encode_control(message_type, payload, 4096)


class TestAWholeSession:
    def test_it_goes_from_handshake_to_the_orderly_end(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        told_publisher, told_receiver = exchange(publisher, receiver)
        assert told_publisher == [HandshakeCompleted(), Connected()]
        assert told_receiver == [HandshakeCompleted(), PublishRequested("live2", KEY)]

        receiver.accept()
        assert exchange(publisher, receiver) == ([PublishStarted(1)], [])
        assert publisher.state is PublisherState.PUBLISHING
        assert receiver.state is ReceiverState.RECEIVING

        publisher.queue_metadata({"width": 1920.0})
        media = publisher.bytes_to_send()
        media += chunks.encode_message(6, MessageType.VIDEO, 1, 40, b"\x17\x00head", 4096)
        media += chunks.encode_message(4, MessageType.AUDIO, 1, 67, b"\xaf\x00\x12\x10", 4096)
        media += chunks.encode_delta_message(
            6, MessageType.VIDEO, 33, b"\x17\x01" + KEY.encode(), 4096
        )
        assert receiver.receive(media) == [
            MessageReceived(
                MessageKind.METADATA,
                0,
                amf0.encode("onMetaData", amf0.EcmaArray({"width": 1920.0})),
            ),
            MessageReceived(MessageKind.VIDEO, 40, b"\x17\x00head"),
            MessageReceived(MessageKind.AUDIO, 67, b"\xaf\x00\x12\x10"),
            MessageReceived(MessageKind.VIDEO, 73, b"\x17\x01" + KEY.encode()),
        ]

        publisher.unpublish()
        assert publisher.state is PublisherState.UNPUBLISHING
        assert exchange(publisher, receiver) == ([Unpublished()], [PublishEnded()])
        assert publisher.state is PublisherState.ENDED
        assert receiver.state is ReceiverState.CONNECTED

    def test_one_connection_may_publish_again_after_the_end(self) -> None:
        publisher, receiver = on_air()
        publisher.unpublish()
        exchange(publisher, receiver)
        payload = Command("publish", 9, (None, "second", "live")).encode()
        again = chunks.encode_message(8, MessageType.AMF0_COMMAND, 1, 0, payload, 4096)
        assert receiver.receive(again) == [PublishRequested("live2", "second")]
