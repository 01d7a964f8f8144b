from __future__ import annotations

import math
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playout.errors import ProtocolViolation
from playout.rtmp import amf0, chunks
from playout.rtmp.amf0 import UNDEFINED, Date, EcmaArray
from playout.rtmp.chunks import ChunkReader, basic_header, encode_delta_message, encode_message
from playout.rtmp.connection import AcknowledgementCounter, Publisher, Receiver
from playout.rtmp.events import Event, PublishRequested
from playout.rtmp.messages import Message, MessageType
from playout.rtmp.states import (
    RECEIVER_TRANSITIONS,
    TRANSITIONS,
    PublisherState,
    PublisherStep,
    ReceiverState,
    ReceiverStep,
    after,
)

RANDOM = bytes(1528)

# -- amf0 ---------------------------------------------------------------------------------------

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
numbers = st.floats(allow_nan=False)
values: st.SearchStrategy[amf0.Value] = st.recursive(
    st.one_of(
        numbers,
        st.booleans(),
        text,
        st.none(),
        st.just(UNDEFINED),
        st.builds(Date, numbers, st.integers(-1440, 1440)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4).map(EcmaArray),
    ),
    max_leaves=12,
)


@given(st.lists(values, max_size=5))
def test_amf0_reads_what_it_wrote(written: list[amf0.Value]) -> None:
    read = amf0.decode(amf0.encode(*written), max_depth=100)
    assert read == written
    assert repr(read) == repr(written), "the types are the same too"


@given(st.floats())
def test_amf0_keeps_every_number(number: float) -> None:
    (read,) = amf0.decode(amf0.encode(number))
    assert isinstance(read, float)
    assert read == number or (math.isnan(read) and math.isnan(number))


@given(st.lists(values, min_size=1, max_size=3), st.data())
def test_amf0_cut_off_is_refused_or_shorter(written: list[amf0.Value], data: st.DataObject) -> None:
    whole = amf0.encode(*written)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        read = amf0.decode(cut, max_depth=100)
    except ProtocolViolation:
        return
    assert len(read) < len(written)
    assert read == written[: len(read)]


@given(st.binary(max_size=200))
def test_amf0_refuses_any_other_bytes_in_one_way(data: bytes) -> None:
    with suppress(ProtocolViolation):
        amf0.decode(data)


# -- chunks -------------------------------------------------------------------------------------

csids = st.sampled_from([2, 3, 4, 6, 31, 63, 64, 65, 319, 320, 65599])
times = st.one_of(
    st.integers(0, 2**32 - 1),
    st.integers(2**24 - 3, 2**24 + 1),
    st.integers(2**32 - 3, 2**32 - 1),
    st.integers(0, 100),
)
media_types = st.sampled_from([8, 9, 18, 20, 22, 99])
chunk_sizes = st.sampled_from([1, 2, 7, 128, 4096, 65_536])


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Message], list[list[bytes]], int]:
    """Messages, the chunks of each, and the chunk size they were cut to."""
    chunk_size = draw(chunk_sizes)
    told: list[Message] = []
    cut: list[list[bytes]] = []
    clocks: dict[int, int] = {}
    streams: dict[int, int] = {}
    for _ in range(draw(st.integers(1, 8))):
        csid, kind, time = draw(csids), draw(media_types), draw(times)
        size = draw(st.integers(0, 3)) * chunk_size + draw(st.integers(0, 3))
        payload = draw(st.binary(min_size=1, max_size=8)) * (size // 2 + 1)
        payload = payload[: min(size, 9000)]
        if csid in clocks and draw(st.booleans()):
            clocks[csid] = (clocks[csid] + time) % 2**32
            data = encode_delta_message(csid, kind, time, payload, chunk_size)
            head, extended = len(basic_header(1, csid)) + 7, time >= 0xFFFFFF
        else:
            clocks[csid] = time
            streams[csid] = draw(st.integers(0, 2**32 - 1))
            data = encode_message(csid, kind, streams[csid], time, payload, chunk_size)
            head, extended = len(basic_header(0, csid)) + 11, time >= 0xFFFFFF
        more = 4 if extended else 0
        pieces = [data[: head + more + min(len(payload), chunk_size)]]
        rest = data[len(pieces[0]) :]
        step = len(basic_header(3, csid)) + more + chunk_size
        pieces += [rest[n : n + step] for n in range(0, len(rest), step)]
        told.append(Message(kind, clocks[csid], streams[csid], payload, csid))
        cut.append(pieces)
    return told, cut, chunk_size


def split(data: bytes, marks: list[int]) -> list[bytes]:
    edges = [0, *sorted({mark % (len(data) + 1) for mark in marks}), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


@given(conversations(), st.lists(st.integers(0, 2**20), max_size=30))
def test_messages_come_back_however_the_bytes_are_split(
    conversation: tuple[list[Message], list[list[bytes]], int], marks: list[int]
) -> None:
    told, cut, chunk_size = conversation
    reader = ChunkReader(chunk_size=chunk_size)
    found: list[Message] = []
    for portion in split(b"".join(b"".join(pieces) for pieces in cut), marks):
        found += reader.receive(portion)
    assert found == told


@given(conversations(), st.data())
def test_chunks_of_different_streams_may_be_interleaved(
    conversation: tuple[list[Message], list[list[bytes]], int], data: st.DataObject
) -> None:
    told, cut, chunk_size = conversation
    queues: dict[int, list[bytes]] = {}
    for message, pieces in zip(told, cut, strict=True):
        queues.setdefault(message.csid, []).extend(pieces)
    mixed = b""
    while queues:
        csid = data.draw(st.sampled_from(sorted(queues)))
        mixed += queues[csid].pop(0)
        if not queues[csid]:
            del queues[csid]
    found = list(ChunkReader(chunk_size=chunk_size).receive(mixed))
    for csid in {message.csid for message in told}:
        assert [m for m in found if m.csid == csid] == [m for m in told if m.csid == csid]


@given(st.binary(max_size=400), st.sampled_from([1, 128, 0x7FFFFFFF]))
def test_a_reader_refuses_any_bytes_in_one_way_and_holds_little(data: bytes, size: int) -> None:
    reader = ChunkReader(chunk_size=size, max_message_bytes=1000)
    try:
        for portion in (data[:100], data[100:]):
            for message in reader.receive(portion):
                assert len(message.payload) <= 1000
    except ProtocolViolation:
        pass
    held = sum(len(stream.payload) for stream in reader._streams.values())
    assert held == reader._held <= 1000
    assert len(reader._rest) < 18


# -- connections --------------------------------------------------------------------------------


def make_publisher() -> Publisher:
    return Publisher(
        app="live", tc_url="rtmp://h/live", stream_name="a-secret", handshake_random=RANDOM
    )


def recorded_session() -> tuple[bytes, bytes, list[Event], list[Event]]:
    """All bytes of a publish session, each way, with what each side was told by it."""
    publisher = make_publisher()
    receiver = Receiver(handshake_random=RANDOM, window_ack_size=1000)
    up = down = b""
    told_up: list[Event] = []
    told_down: list[Event] = []

    def exchange() -> None:
        nonlocal up, down
        while True:
            from_client, from_server = publisher.bytes_to_send(), b""
            if from_client:
                up += from_client
                told_up.extend(receiver.receive(from_client))
                if any(isinstance(event, PublishRequested) for event in told_up[-1:]):
                    receiver.accept()
            from_server = receiver.bytes_to_send()
            if from_server:
                down += from_server
                told_down.extend(publisher.receive(from_server))
            if not from_client and not from_server:
                return

    exchange()
    publisher.queue_metadata({"width": 1.0})
    exchange()
    media = encode_message(6, 9, 1, 2**24 - 5, b"\x17\x00" + bytes(5000), 4096)
    media += encode_delta_message(6, 9, 33, b"\x27\x01" + bytes(9000), 4096)
    media += encode_message(4, 8, 1, 0, b"\xaf\x01xyz", 4096)
    up += media
    told_up.extend(receiver.receive(media))
    receiver.ping(7)
    receiver.queue_status("status", "NetStream.Publish.Idle", "Hm.")
    exchange()
    publisher.unpublish()
    exchange()
    return up, down, told_up, told_down


UP, DOWN, TOLD_UP, TOLD_DOWN = recorded_session()


def listen(role: Publisher | Receiver, portions: list[bytes]) -> list[Event]:
    told: list[Event] = []
    for portion in portions:
        news = role.receive(portion)
        told += news
        while news and isinstance(news[-1], PublishRequested) and isinstance(role, Receiver):
            news = role.accept()
            told += news
    return told


marks = st.lists(st.integers(0, 2**16), max_size=40)


@given(marks)
def test_a_server_is_told_the_same_however_the_bytes_are_split(where: list[int]) -> None:
    assert listen(Receiver(handshake_random=RANDOM), split(UP, where)) == TOLD_UP


@given(marks)
def test_a_client_is_told_the_same_however_the_bytes_are_split(where: list[int]) -> None:
    publisher = make_publisher()
    publisher.bytes_to_send()
    told = listen(publisher, split(DOWN, where))
    assert told == TOLD_DOWN


def mutated(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Change bytes here and there: set one, cut some, or put some in."""
    out = bytearray(data)
    for at, kind, new in changes:
        position = at % (len(out) + 1)
        if kind == 0:
            out[position : position + len(new)] = new
        elif kind == 1:
            del out[position : position + 1 + len(new)]
        else:
            out[position:position] = new
    return bytes(out)


changes = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 2), st.binary(min_size=1, max_size=6)),
    min_size=1,
    max_size=6,
)


def survives(role: Publisher | Receiver, portions: list[bytes]) -> None:
    """Nothing but `ProtocolViolation` comes out, and it stays."""
    try:
        listen(role, portions)
        role.bytes_to_send()
    except ProtocolViolation as violation:
        message = str(violation)
    else:
        return
    assert "a-secret" not in message
    with pytest.raises(ProtocolViolation):
        role.receive(b"\x00")
    assert role.state.value == "broken"


@settings(max_examples=300)
@given(changes, marks)
def test_a_server_survives_damaged_clients(
    damage: list[tuple[int, int, bytes]], where: list[int]
) -> None:
    shaken, rest = UP[:3073], UP[3073:]
    survives(Receiver(handshake_random=RANDOM), [shaken, *split(mutated(rest, damage), where)])


@settings(max_examples=300)
@given(changes, marks)
def test_a_client_survives_damaged_servers(
    damage: list[tuple[int, int, bytes]], where: list[int]
) -> None:
    shaken, rest = DOWN[:3073], DOWN[3073:]
    survives(make_publisher(), [shaken, *split(mutated(rest, damage), where)])


@given(st.lists(st.binary(min_size=1, max_size=2000), max_size=5), st.booleans())
def test_both_roles_survive_bytes_of_any_kind(noise: list[bytes], after_handshake: bool) -> None:
    opening = [b"\x03" + bytes(3072)] if after_handshake else []
    survives(make_publisher(), opening + noise)
    survives(Receiver(handshake_random=RANDOM), opening + noise)


COMMANDS = ["connect", "createStream", "publish", "_result", "_error", "onStatus", "close"]
COMMANDS += ["deleteStream", "closeStream", "releaseStream", "FCPublish", "FCUnpublish", "play"]
bodies = st.lists(values, max_size=4).map(
    lambda found: chunks.encode_message(3, 20, 1, 0, amf0.encode(*found), 128)
)


@given(
    st.lists(
        st.one_of(
            bodies,
            st.builds(
                lambda name, transaction, more: encode_message(
                    3, MessageType.AMF0_COMMAND, 1, 0, amf0.encode(name, transaction, *more), 128
                ),
                st.sampled_from(COMMANDS),
                st.one_of(st.sampled_from([0.0, 1.0, 4.0, 5.0]), numbers),
                st.lists(values, max_size=3),
            ),
        ),
        max_size=8,
    )
)
def test_both_roles_survive_commands_of_any_kind(messages: list[bytes]) -> None:
    opening = b"\x03" + bytes(3072)
    survives(make_publisher(), [opening, *messages])
    survives(Receiver(handshake_random=RANDOM), [opening, *messages])


# -- counts and states --------------------------------------------------------------------------


@given(st.lists(st.integers(1, 60 << 20), max_size=200))
def test_acknowledged_counts_grow_as_the_server_receives(steps: list[int]) -> None:
    counter, total = AcknowledgementCounter(), 0
    for step in steps:
        total += step
        assert counter.advance(total % 2**32)
        assert counter.total == total


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_no_count_makes_the_total_smaller(counts: list[int]) -> None:
    counter = AcknowledgementCounter()
    for count in counts:
        before = counter.total
        progressed = counter.advance(count)
        assert (counter.total > before) is progressed
        assert counter.total >= before


def test_every_pair_of_state_and_step_is_defined() -> None:
    for state in PublisherState:
        for step in PublisherStep:
            assert isinstance(after(TRANSITIONS, state, step), PublisherState)
    for receiver_state in ReceiverState:
        for receiver_step in ReceiverStep:
            assert isinstance(
                after(RECEIVER_TRANSITIONS, receiver_state, receiver_step), ReceiverState
            )


def test_nothing_leads_out_of_a_broken_connection() -> None:
    for step in PublisherStep:
        assert after(TRANSITIONS, PublisherState.BROKEN, step) is PublisherState.BROKEN
    for receiver_step in ReceiverStep:
        end = after(RECEIVER_TRANSITIONS, ReceiverState.BROKEN, receiver_step)
        assert end is ReceiverState.BROKEN


def test_only_an_accepted_publish_leads_on_air() -> None:
    ways = [pair for pair, state in TRANSITIONS.items() if state is PublisherState.PUBLISHING]
    assert ways == [(PublisherState.REQUESTING_PUBLISH, PublisherStep.PUBLISH_ACCEPTED)]
