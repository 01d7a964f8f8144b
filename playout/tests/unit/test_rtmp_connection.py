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
from playout.rtmp.messages import Command, MessageType
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


class TestTheClient:
    def test_it_asks_in_the_order_that_ingests_expect(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        opening = publisher.bytes_to_send()
        assert opening[0] == 3
        assert len(opening) == 1537
        receiver.receive(opening)
        publisher.receive(receiver.bytes_to_send())
        reader = chunks.ChunkReader()
        sent = list(reader.receive(publisher.bytes_to_send()[1536:]))
        assert [m.type for m in sent] == [MessageType.SET_CHUNK_SIZE, MessageType.AMF0_COMMAND]
        assert amf0.decode(sent[1].payload)[:2] == ["connect", 1.0]

        accepted = Command("_result", 1, ({}, {"level": "status"})).encode()
        publisher.receive(chunks.encode_message(3, 20, 0, 0, accepted, 128))
        sent = list(reader.receive(publisher.bytes_to_send()))
        assert sent[0].type == MessageType.WINDOW_ACK_SIZE
        assert int.from_bytes(sent[0].payload, "big") == 250_000
        assert [amf0.decode(m.payload)[:2] for m in sent[1:]] == [
            ["releaseStream", 2.0],
            ["FCPublish", 3.0],
            ["createStream", 4.0],
        ]

    def test_it_waits_for_the_whole_handshake(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        receiver.receive(publisher.bytes_to_send())
        answer = receiver.bytes_to_send()
        assert publisher.receive(answer[:3072]) == []
        assert publisher.bytes_to_send() == answer[1:1537], "the echo goes out at once"
        assert publisher.receive(answer[3072:]) == [HandshakeCompleted()]

    def test_it_takes_harmless_errors_for_harmless(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        exchange(publisher, receiver)
        for transaction in (2, 3):
            payload = Command("_error", transaction, (None, {"code": "NetConnection.Call.Failed"}))
            told = publisher.receive(chunks.encode_message(3, 20, 0, 0, payload.encode(), 4096))
            assert told == []
        receiver.accept()
        assert exchange(publisher, receiver)[0] == [PublishStarted(1)]

    @pytest.mark.parametrize("transaction", [1, 4, 5])
    def test_it_is_rejected_by_an_error_to_a_call_that_matters(self, transaction: int) -> None:
        publisher, receiver = make_publisher(), make_receiver(ask_at_connect=True)
        exchange(publisher, receiver)
        assert publisher.state is PublisherState.CONNECTING
        chunk_size = 128
        if transaction > 1:
            receiver.accept()
            publisher.receive(receiver.bytes_to_send())
            assert publisher.state is PublisherState.CREATING_STREAM
            chunk_size = 4096
        if transaction > 4:
            receiver.receive(publisher.bytes_to_send())
            publisher.receive(receiver.bytes_to_send())
            assert publisher.state is PublisherState.REQUESTING_PUBLISH
        info: amf0.Value = {"level": "error", "code": "Some.Code", "description": "No."}
        payload = Command("_error", transaction, (None, info)).encode()
        told = publisher.receive(chunks.encode_message(3, 20, 0, 0, payload, chunk_size))
        assert told == [Rejected("Some.Code", "error", "No.")]
        assert publisher.state is PublisherState.REJECTED

    @pytest.mark.parametrize(
        "code",
        [
            "NetStream.Publish.BadName",
            "NetStream.Publish.Denied",
            "NetStream.Publish.Rejected",
            "NetStream.Failed",
            "NetConnection.Connect.InvalidApp",
        ],
    )
    def test_it_is_rejected_by_an_error_status(self, code: str) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        exchange(publisher, receiver)
        receiver.reject(code, "Already publishing.")
        assert exchange(publisher, receiver) == (
            [Rejected(code, "error", "Already publishing.")],
            [],
        )
        assert publisher.state is PublisherState.REJECTED
        assert receiver.state is ReceiverState.CONNECTED

    def test_an_error_status_is_fatal_at_any_later_time(self) -> None:
        publisher, receiver = on_air()
        receiver.reject("NetStream.Publish.Denied", "Taken down.")
        told, _ = exchange(publisher, receiver)
        assert told == [Rejected("NetStream.Publish.Denied", "error", "Taken down.")]

    def test_it_never_repeats_the_stream_key(self) -> None:
        publisher, _ = on_air()
        told = publisher.receive(
            status("error", "NetStream.Publish.BadName", f"Stream {KEY} is busy.")
            + status("status", "NetStream.Publish.Idle", f"{KEY} is idle.")
        )
        assert [type(event) for event in told] == [Rejected, StatusReceived]
        assert KEY not in repr(told)
        assert KEY not in repr(PublishRequested("live2", KEY))

    def test_other_statuses_are_told_and_change_nothing(self) -> None:
        publisher, _ = on_air()
        told = publisher.receive(status("status", "NetStream.Publish.Idle", "Hm."))
        assert told == [StatusReceived("NetStream.Publish.Idle", "status", "Hm.")]
        assert publisher.state is PublisherState.PUBLISHING

    @pytest.mark.parametrize("level", ["status", ""])
    @pytest.mark.parametrize(
        "code",
        ["NetStream.Publish.BadName", "NetStream.Publish.Denied", "NetConnection.Connect.Closed"],
    )
    def test_a_refusal_is_known_by_its_code_whatever_its_level(self, code: str, level: str) -> None:
        publisher, _ = on_air()
        (told,) = publisher.receive(status(level, code))
        assert isinstance(told, Rejected)
        assert told.code == code

    def test_a_server_that_closes_the_connection_ends_the_session(self) -> None:
        publisher, _ = on_air()
        payload = Command("close", 0, (None,)).encode()
        told = publisher.receive(chunks.encode_message(3, 20, 0, 0, payload, 4096))
        assert told == [Rejected("NetConnection.Connect.Closed", "error", "")]

    def test_the_words_of_a_server_are_one_line_without_escapes(self) -> None:
        publisher, _ = on_air()
        words = "\x1b[31mred\r\nplayout air: On air.\x07 \x9b0m \u202egnp"
        (told,) = publisher.receive(status("error", "NetStream.Failed", words))
        assert isinstance(told, Rejected)
        assert told.description == "  [31mred  playout air: On air.   0m  gnp"[1:]

    def test_it_does_not_repeat_the_part_of_a_key_before_its_query(self) -> None:
        publisher, receiver = make_publisher(stream_name=f"{KEY}?backup=1"), make_receiver()
        exchange(publisher, receiver)
        receiver.reject("NetStream.Publish.BadName", f"Stream {KEY} is busy.")
        told, _ = exchange(publisher, receiver)
        assert KEY not in repr(told)

    @pytest.mark.parametrize(
        "argument",
        [
            b"\x11\x0a\x0b\x01\x09code\x06\x07abc\x01",
            b"\x10\x00\x03abc\x00\x00\x09",
            b"\x03\x00\x00\x05\x00\x00\x09",
            b"\x08\x00\x00\x00\x01\x00\x01a\x05",
            b"\x02\x00\x50abc",
        ],
        ids=["amf3", "typed object", "empty key", "array without end", "cut off"],
    )
    @pytest.mark.parametrize("begin", [b"", b"\x00"], ids=["amf0", "amf3"])
    def test_what_it_cannot_read_in_a_call_that_is_not_for_it_costs_nothing(
        self, begin: bytes, argument: bytes
    ) -> None:
        publisher, _ = on_air()
        payload = begin + amf0.encode("onFriendlyNews", 0, None) + argument
        kind = MessageType.AMF3_COMMAND if begin else MessageType.AMF0_COMMAND
        assert publisher.receive(chunks.encode_message(3, kind, 0, 0, payload, 4096)) == []
        assert publisher.state is PublisherState.PUBLISHING

    def test_a_call_without_a_transaction_is_one_that_wants_no_answer(self) -> None:
        publisher, _ = on_air()
        payload = amf0.encode("onBWDone", None, None)
        assert publisher.receive(chunks.encode_message(3, 20, 0, 0, payload, 4096)) == []

    def test_it_tells_when_the_server_wants_a_new_connection(self) -> None:
        publisher, _ = on_air()
        told = publisher.receive(
            status(
                "status",
                "NetConnection.Connect.ReconnectRequest",
                "Maintenance.",
                tcUrl="rtmp://127.0.0.2/live2",
            )
        )
        assert told == [ReconnectRequested("rtmp://127.0.0.2/live2", "Maintenance.")]

    def test_it_answers_pings_with_the_same_bytes(self) -> None:
        publisher, receiver = on_air()
        receiver.ping(0xDEADBEEF)
        assert exchange(publisher, receiver) == ([Pinged()], [PongReceived(0xDEADBEEF)])

    def test_it_tells_acknowledgements_as_one_growing_count(self) -> None:
        publisher, _ = on_air()
        counts = [250_000, 500_000, 2**31, 2**32 - 100, 249_900]
        sent = b"".join(
            control(MessageType.ACKNOWLEDGEMENT, count.to_bytes(4, "big")) for count in counts
        )
        totals = [event.total_bytes for event in publisher.receive(sent)]  # type: ignore[union-attr]
        assert totals == [250_000, 500_000, 2**31, 2**32 - 100, 2**32 + 249_900]

    def test_it_asks_for_smaller_windows_only(self) -> None:
        publisher, _ = on_air()
        for limit, expected in (
            (5_000_000, b""),
            (0, b""),
            (100_000, (100_000).to_bytes(4, "big")),
        ):
            payload = limit.to_bytes(4, "big") + b"\x02"
            publisher.receive(control(MessageType.SET_PEER_BANDWIDTH, payload))
            sent = publisher.bytes_to_send()
            assert sent[12:] == expected

    def test_it_acknowledges_what_a_chatty_server_sends(self) -> None:
        publisher, receiver = on_air(window_ack_size=1000)
        for n in range(40):
            receiver.ping(n)
        _, told = exchange(publisher, receiver)
        totals = [event.total_bytes for event in told if isinstance(event, Acknowledged)]
        assert totals
        assert totals == sorted(totals)

    def test_unpublish_says_nothing_before_there_is_a_stream(self) -> None:
        publisher = make_publisher()
        publisher.bytes_to_send()
        publisher.unpublish()
        assert publisher.bytes_to_send() == b""
        assert publisher.state is PublisherState.UNPUBLISHING

    def test_metadata_waits_for_a_stream_to_go_to(self) -> None:
        publisher = make_publisher()
        with pytest.raises(RuntimeError, match="handshaking"):
            publisher.queue_metadata({})

    def test_metadata_goes_on_a_chunk_stream_of_its_own(self) -> None:
        publisher, _ = on_air()
        publisher.queue_metadata({"framerate": 30, "encoder": "playout"}, timestamp=2**24)
        reader = chunks.ChunkReader(chunk_size=4096)
        (message,) = reader.receive(publisher.bytes_to_send())
        assert (message.csid, message.type, message.stream_id) == (5, 18, 1)
        assert message.timestamp == 2**24
        assert amf0.decode(message.payload) == [
            "@setDataFrame",
            "onMetaData",
            {"framerate": 30.0, "encoder": "playout"},
        ]


class TestTheServer:
    def test_it_may_be_asked_about_the_application(self) -> None:
        publisher, receiver = make_publisher(), make_receiver(ask_at_connect=True)
        _, told = exchange(publisher, receiver)
        assert told == [HandshakeCompleted(), ConnectRequested("live2", "rtmp://127.0.0.1/live2")]
        receiver.reject("NetConnection.Connect.InvalidApp", "No such application.")
        told, _ = exchange(publisher, receiver)
        assert told == [
            Rejected("NetConnection.Connect.InvalidApp", "error", "No such application.")
        ]

    def test_it_says_what_was_not_asked(self) -> None:
        receiver = make_receiver()
        with pytest.raises(RuntimeError, match="handshaking"):
            receiver.accept()
        with pytest.raises(RuntimeError, match="handshaking"):
            receiver.reject("NetStream.Publish.BadName", "")

    def test_it_passes_over_media_that_nobody_accepted(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        exchange(publisher, receiver)
        media = chunks.encode_message(6, MessageType.VIDEO, 1, 0, b"\x17\x00", 4096)
        assert receiver.receive(media) == []

    def test_it_refuses_a_second_stream_on_the_connection(self) -> None:
        _, receiver = on_air()
        payload = Command("publish", 9, (None, "other", "live")).encode()
        assert receiver.receive(chunks.encode_message(8, 20, 1, 0, payload, 4096)) == []
        (answer,) = chunks.ChunkReader(chunk_size=4096).receive(receiver.bytes_to_send())
        assert amf0.decode(answer.payload)[-1]["code"] == "NetStream.Publish.BadName"  # type: ignore[index, call-overload]
        assert receiver.state is ReceiverState.RECEIVING

    def test_it_refuses_players_in_words(self) -> None:
        publisher, receiver = on_air()
        payload = Command("play", 9, (None, "x")).encode()
        receiver.receive(chunks.encode_message(8, 20, 1, 0, payload, 4096))
        told = publisher.receive(receiver.bytes_to_send())
        assert told == [Rejected("NetStream.Play.Failed", "error", "This server only receives.")]

    def test_the_end_of_another_stream_is_not_ours(self) -> None:
        _, receiver = on_air()
        for command in (
            Command("deleteStream", 6, (None, 2.0)),
            Command("FCUnpublish", 7, (None, "other")),
            Command("closeStream", 8, (None,)),
        ):
            message = chunks.encode_message(3, 20, 0, 0, command.encode(), 4096)
            assert receiver.receive(message) == []
        assert receiver.state is ReceiverState.RECEIVING

    def test_it_takes_aggregates_apart_and_moves_them_to_their_time(self) -> None:
        _, receiver = on_air()

        def part(kind: int, timestamp: int, body: bytes) -> bytes:
            time = timestamp.to_bytes(4, "big")
            head = bytes((kind,)) + len(body).to_bytes(3, "big") + time[1:] + time[:1] + bytes(3)
            return head + body + (11 + len(body)).to_bytes(4, "big")

        payload = part(9, 1000, b"\x27\x01") + part(8, 1010, b"\xaf\x01") + part(22, 1020, b"")
        told = receiver.receive(chunks.encode_message(6, 22, 1, 5000, payload, 4096))
        assert told == [
            MessageReceived(MessageKind.VIDEO, 5000, b"\x27\x01"),
            MessageReceived(MessageKind.AUDIO, 5010, b"\xaf\x01"),
        ]

    def test_it_reads_amf3_messages_that_hold_amf0(self) -> None:
        _, receiver = on_air()
        body = amf0.encode("@setDataFrame", "onMetaData", {"width": 1.0})
        assert receiver.receive(chunks.encode_message(5, 15, 1, 0, b"\x00" + body, 4096)) == [
            MessageReceived(MessageKind.METADATA, 0, amf0.encode("onMetaData", {"width": 1.0}))
        ]
        end = b"\x00" + Command("deleteStream", 7, (None, 1.0)).encode()
        assert receiver.receive(chunks.encode_message(3, 17, 0, 0, end, 4096)) == [PublishEnded()]

    def test_it_acknowledges_by_the_window_of_the_client(self) -> None:
        publisher, receiver = on_air()
        media = chunks.encode_message(6, MessageType.VIDEO, 1, 0, bytes(100_000), 4096)
        for _ in range(2):
            receiver.receive(media)
            assert receiver.bytes_to_send() == b""
        receiver.receive(media)
        (event,) = publisher.receive(receiver.bytes_to_send())
        assert isinstance(event, Acknowledged)
        assert 3 * len(media) <= event.total_bytes < 3 * len(media) + 1000


class TestBrokenPeers:
    @pytest.mark.parametrize(
        ("first", "words"),
        [
            (b"HTTP/1.1 400 Bad Request\r\n", "web server"),
            (b"\x15\x03\x01\x00\x02\x02\x46", "expects rtmps"),
            (b"\x06", "version 6"),
        ],
    )
    def test_it_says_who_answered_instead_of_rtmp(self, first: bytes, words: str) -> None:
        publisher = make_publisher()
        with pytest.raises(ProtocolViolation, match=words):
            publisher.receive(first)
        assert publisher.state is PublisherState.BROKEN
        with pytest.raises(ProtocolViolation, match=words):
            publisher.bytes_to_send()

    def test_what_was_told_before_the_violation_is_not_lost(self) -> None:
        publisher, _ = on_air()
        told = publisher.receive(status("error", "NetStream.Failed") + b"\xff" * 20)
        assert told == [Rejected("NetStream.Failed", "error", "")]
        with pytest.raises(ProtocolViolation):
            publisher.bytes_to_send()
        with pytest.raises(ProtocolViolation):
            publisher.receive(b"\x00")
        assert publisher.state is PublisherState.BROKEN

    @pytest.mark.parametrize(
        "number", [None, True, "1", -1.0, 0.0, 0.5, float("nan"), float("inf"), 2.0**32]
    )
    def test_it_refuses_a_stream_without_a_usable_number(self, number: amf0.Value) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        receiver.receive(publisher.bytes_to_send())
        publisher.receive(receiver.bytes_to_send())
        receiver.receive(publisher.bytes_to_send())
        publisher.receive(receiver.bytes_to_send())
        payload = Command("_result", 4, (None, number)).encode()
        with pytest.raises(ProtocolViolation, match="made a stream"):
            publisher.receive(chunks.encode_message(3, 20, 0, 0, payload, 4096))

    def test_it_refuses_commands_before_the_connection(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        receiver.receive(publisher.bytes_to_send())
        receiver.bytes_to_send()
        receiver.receive(RANDOM + bytes(8))
        payload = Command("createStream", 1, (None,)).encode()
        with pytest.raises(ProtocolViolation, match="before it is connected"):
            receiver.receive(chunks.encode_message(3, 20, 0, 0, payload, 128))

    @pytest.mark.parametrize(
        ("message_type", "payload"),
        [
            (MessageType.SET_CHUNK_SIZE, b"\x00\x00"),
            (MessageType.SET_CHUNK_SIZE, b"\x00\x00\x00\x00"),
            (MessageType.SET_CHUNK_SIZE, b"\x80\x00\x00\x01"),
            (MessageType.ABORT, b""),
            (MessageType.ACKNOWLEDGEMENT, b"\x00"),
            (MessageType.WINDOW_ACK_SIZE, b""),
            (MessageType.SET_PEER_BANDWIDTH, b"\x00\x00"),
            (MessageType.USER_CONTROL, b"\x00"),
            (MessageType.USER_CONTROL, b"\x00\x06\x00"),
            (MessageType.AMF0_COMMAND, b""),
            (MessageType.AMF0_COMMAND, amf0.encode(1.0)),
            (MessageType.AMF0_COMMAND, amf0.encode("onStatus", "x")),
            (MessageType.AMF0_COMMAND, amf0.encode("onStatus", True)),
        ],
    )
    def test_it_refuses_messages_that_make_no_sense(
        self, message_type: MessageType, payload: bytes
    ) -> None:
        publisher, _ = on_air()
        with pytest.raises(ProtocolViolation):
            publisher.receive(control(message_type, payload))


class TestTheAcknowledgementCounter:
    def test_it_follows_a_server_that_starts_again_below_the_wrap(self) -> None:
        counter = AcknowledgementCounter()
        total = 0
        for _ in range(3):
            count = 0
            while count < 0xF0000000 - 5_000_000:
                count += 5_000_000
                assert counter.advance(count)
            total += count
            assert counter.total == total

    def test_it_sees_no_progress_in_old_counts(self) -> None:
        counter = AcknowledgementCounter()
        assert counter.advance(1_000_000)
        assert not counter.advance(1_000_000)
        assert not counter.advance(900_000)
        assert counter.total == 1_000_000
        assert counter.advance(1_250_000)
        assert counter.total == 1_250_000

    def test_a_first_count_may_be_large(self) -> None:
        counter = AcknowledgementCounter()
        assert counter.advance(2**32 - 1)
        assert counter.total == 2**32 - 1


@pytest.mark.parametrize(
    "settings", [{"chunk_size": 0}, {"chunk_size": 1 << 24}, {"handshake_random": b"short"}]
)
def test_it_refuses_settings_that_cannot_work(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        make_publisher(**settings)


class TestQuestions:
    def test_what_a_hasty_client_sends_behind_a_question_waits_for_the_answer(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        exchange(publisher, receiver)
        receiver.accept()
        exchange(publisher, receiver)
        publisher.unpublish()
        hasty = publisher.bytes_to_send()
        for command in (Command("createStream", 8, (None,)), Command("publish", 9, (None, "b"))):
            hasty += chunks.encode_message(3, 20, 1, 0, command.encode(), 4096)
        hasty += chunks.encode_message(6, MessageType.VIDEO, 1, 5, b"\x17\x00", 4096)
        hasty += chunks.encode_message(6, MessageType.VIDEO, 1, 9, b"\x17\x01", 4096)
        assert receiver.receive(hasty[:-3]) == [PublishEnded(), PublishRequested("live2", "b")]
        assert receiver.receive(hasty[-3:]) == []
        assert receiver.accept() == [
            MessageReceived(MessageKind.VIDEO, 5, b"\x17\x00"),
            MessageReceived(MessageKind.VIDEO, 9, b"\x17\x01"),
        ]

    def test_a_refused_client_is_not_heard_on(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        exchange(publisher, receiver)
        video = chunks.encode_message(6, MessageType.VIDEO, 1, 5, b"\x17\x00", 4096)
        assert receiver.receive(video) == []
        assert receiver.reject("NetStream.Publish.Denied", "No.") == []

    def test_it_does_not_hold_more_than_a_little(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        exchange(publisher, receiver)
        with pytest.raises(ProtocolViolation, match="without waiting"):
            for _ in range(50):
                receiver.receive(bytes(65_536))

    def test_nonsense_behind_a_question_is_found_after_the_answer(self) -> None:
        publisher, receiver = make_publisher(), make_receiver()
        exchange(publisher, receiver)
        assert receiver.receive(b"\xff" * 20) == []
        assert receiver.accept() == []
        with pytest.raises(ProtocolViolation):
            receiver.bytes_to_send()
