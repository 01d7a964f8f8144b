from __future__ import annotations

import pytest

from playout.errors import ProtocolViolation
from playout.rtmp.chunks import (
    ChunkReader,
    basic_header,
    encode_control,
    encode_delta_message,
    encode_message,
)
from playout.rtmp.messages import Message, MessageType

VIDEO, AUDIO = MessageType.VIDEO, MessageType.AUDIO


def read(data: bytes, **settings: int) -> list[Message]:
    return list(ChunkReader(**settings).receive(data))


class TestWriting:
    @pytest.mark.parametrize(
        ("csid", "expected"),
        [
            (2, "02"),
            (63, "3f"),
            (64, "0000"),
            (319, "00ff"),
            (320, "010001"),
            (65599, "01ffff"),
        ],
    )
    def test_the_basic_header_has_three_sizes(self, csid: int, expected: str) -> None:
        assert basic_header(0, csid).hex() == expected

    @pytest.mark.parametrize("csid", [-1, 0, 1, 65600])
    def test_it_refuses_chunk_streams_that_cannot_be_written(self, csid: int) -> None:
        with pytest.raises(ValueError, match="between 2 and"):
            basic_header(0, csid)

    def test_a_full_header_holds_the_stream_id_the_other_way_round(self) -> None:
        assert encode_message(6, 9, 1, 40, b"ab", 128).hex() == "06000028000002090100000061" + "62"

    def test_a_delta_header_inherits_the_stream(self) -> None:
        assert encode_delta_message(6, 9, 33, b"ab", 128).hex() == "46000021000002096162"

    def test_a_long_message_goes_on_in_chunks_without_header(self) -> None:
        data = encode_delta_message(6, 9, 33, b"abcde", 2)
        assert data.hex(" ", -8) == bytes.fromhex(
            "4600002100000509" + b"ab".hex() + "c6" + b"cd".hex() + "c6" + b"e".hex()
        ).hex(" ", -8)

    @pytest.mark.parametrize(
        ("timestamp", "field", "extension"),
        [
            (0xFFFFFE, "fffffe", ""),
            (0xFFFFFF, "ffffff", "00ffffff"),
            (0x1000000, "ffffff", "01000000"),
            (0xFFFFFFFF, "ffffff", "ffffffff"),
            (2**32, "000000", ""),
            (2**32 + 0xFFFFFF, "ffffff", "00ffffff"),
        ],
    )
    def test_time_beyond_24_bits_follows_every_header(
        self, timestamp: int, field: str, extension: str
    ) -> None:
        data = encode_message(6, 9, 1, timestamp, b"abc", 2)
        first = "06" + field + "000003" + "09" + "01000000" + extension + b"ab".hex()
        assert data.hex() == first + "c6" + extension + b"c".hex()

    @pytest.mark.parametrize("delta", [0xFFFFFF, 0x1000000, 2**32 - 1])
    def test_a_long_gap_is_extended_too(self, delta: int) -> None:
        data = encode_delta_message(6, 9, delta, b"abc", 2)
        extension = delta.to_bytes(4, "big")
        assert data == bytes.fromhex("46ffffff00000309") + extension + b"ab\xc6" + extension + b"c"

    @pytest.mark.parametrize("delta", [-1, 2**32])
    def test_it_refuses_a_delta_that_cannot_be_written(self, delta: int) -> None:
        with pytest.raises(ValueError, match="full header"):
            encode_delta_message(6, 9, delta, b"", 128)

    def test_it_refuses_what_the_length_field_cannot_hold(self) -> None:
        with pytest.raises(ValueError, match="longer than RTMP allows"):
            encode_message(6, 9, 1, 0, bytes(1 << 24), 4096)
        with pytest.raises(ValueError, match="at least one byte"):
            encode_message(6, 9, 1, 0, b"a", 0)


class TestReading:
    def test_it_adds_deltas_to_the_time_of_the_chunk_stream(self) -> None:
        data = (
            encode_message(6, VIDEO, 1, 1000, b"a", 128)
            + encode_message(4, AUDIO, 1, 5, b"b", 128)
            + encode_delta_message(6, VIDEO, 33, b"c", 128)
            + encode_delta_message(4, AUDIO, 23, b"d", 128)
        )
        assert read(data) == [
            Message(VIDEO, 1000, 1, b"a", 6),
            Message(AUDIO, 5, 1, b"b", 4),
            Message(VIDEO, 1033, 1, b"c", 6),
            Message(AUDIO, 28, 1, b"d", 4),
        ]

    def test_time_wraps_at_32_bits(self) -> None:
        data = encode_message(6, VIDEO, 1, 2**32 - 10, b"a", 128)
        data += encode_delta_message(6, VIDEO, 33, b"b", 128)
        assert [m.timestamp for m in read(data)] == [2**32 - 10, 23]

    def test_time_crosses_24_bits_by_deltas(self) -> None:
        data = encode_message(6, VIDEO, 1, 2**24 - 20, b"a", 128)
        data += encode_delta_message(6, VIDEO, 33, b"b", 128)
        assert [m.timestamp for m in read(data)] == [2**24 - 20, 2**24 + 13]

    def test_headers_may_leave_out_length_or_everything(self) -> None:
        data = encode_message(6, VIDEO, 1, 100, b"ab", 128)
        data += bytes.fromhex("86000021") + b"cd"  # fmt 2: same length, type and stream
        data += bytes.fromhex("c6") + b"ef"  # fmt 3: the same delta again
        assert [(m.timestamp, m.payload) for m in read(data)] == [
            (100, b"ab"),
            (133, b"cd"),
            (166, b"ef"),
        ]

    def test_a_bare_header_after_a_full_one_repeats_its_time(self) -> None:
        data = encode_message(6, VIDEO, 1, 40, b"ab", 128) + b"\xc6cd"
        assert [m.timestamp for m in read(data)] == [40, 80]

    def test_an_unfinished_message_lets_others_pass(self) -> None:
        video = encode_message(6, VIDEO, 1, 0, b"abcd", 2)
        audio = encode_message(4, AUDIO, 1, 0, b"x", 2)
        data = video[:14] + audio + video[14:]
        assert [m.payload for m in read(data, chunk_size=2)] == [b"x", b"abcd"]

    @pytest.mark.parametrize("writes_it", [True, False])
    def test_it_reads_extended_time_on_continuations_or_its_absence(self, writes_it: bool) -> None:
        time = (0x1234567).to_bytes(4, "big")
        header = bytes.fromhex("06ffffff00000609" + "01000000") + time
        continuation = b"\xc6" + (time if writes_it else b"")
        data = header + b"ab" + continuation + b"cd" + continuation + b"ef"
        assert read(data, chunk_size=2) == [Message(VIDEO, 0x1234567, 1, b"abcdef", 6)]

    def test_it_obeys_chunk_sizes_between_messages(self) -> None:
        size = encode_control(MessageType.SET_CHUNK_SIZE, (3).to_bytes(4, "big"), 128)
        data = size + encode_message(6, VIDEO, 1, 0, b"abcdefg", 3)
        assert read(data)[1].payload == b"abcdefg"

    def test_a_chunk_size_changes_the_next_chunk_of_an_unfinished_message(self) -> None:
        size = encode_control(MessageType.SET_CHUNK_SIZE, (4).to_bytes(4, "big"), 128)
        video = bytes.fromhex("0600000000000609" + "01000000")
        data = video + b"ab" + size[:14] + b"\xc2" + size[14:] + b"\xc6cdef"
        assert read(data, chunk_size=2)[1].payload == b"abcdef"

    def test_it_drops_what_the_peer_aborts(self) -> None:
        video = encode_message(6, VIDEO, 1, 0, b"abcd", 2)
        abort = encode_control(MessageType.ABORT, (6).to_bytes(4, "big"), 128)
        abort = abort[:14] + b"\xc2" + abort[14:]
        data = video[:14] + abort + encode_message(6, VIDEO, 1, 7, b"xy", 2)
        assert [m.payload for m in read(data, chunk_size=2)][1:] == [b"xy"]

    def test_an_abort_of_nothing_is_nothing(self) -> None:
        abort = encode_control(MessageType.ABORT, (99).to_bytes(4, "big"), 128)
        assert [m.type for m in read(abort)] == [MessageType.ABORT]

    def test_empty_messages_are_messages(self) -> None:
        data = encode_message(6, VIDEO, 1, 5, b"", 128) + encode_message(4, AUDIO, 1, 6, b"", 128)
        assert [m.payload for m in read(data)] == [b"", b""]

    def test_a_delta_header_may_open_a_chunk_stream(self) -> None:
        (message,) = read(encode_delta_message(2, 5, 0, bytes(4), 128))
        assert message == Message(5, 0, 0, bytes(4), 2)

    def test_a_header_may_come_byte_by_byte(self) -> None:
        data = encode_message(400, VIDEO, 1, 2**30, b"abc", 2)
        reader = ChunkReader(chunk_size=2)
        found = [m for n in range(len(data)) for m in reader.receive(data[n : n + 1])]
        assert found == [Message(VIDEO, 2**30, 1, b"abc", 400)]


class TestLimits:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"\xc6", "begins without a header"),
            (b"\x86\x00\x00\x01", "begins without a length"),
        ],
    )
    def test_it_refuses_to_guess_what_was_never_sent(self, data: bytes, words: str) -> None:
        with pytest.raises(ProtocolViolation, match=words):
            read(data)

    def test_it_refuses_a_new_message_inside_another(self) -> None:
        data = encode_message(6, VIDEO, 1, 0, b"abcd", 2)[:14]
        with pytest.raises(ProtocolViolation, match="2 bytes of the one before"):
            read(data + encode_message(6, VIDEO, 1, 0, b"x", 2), chunk_size=2)

    def test_it_refuses_long_messages_by_their_header(self) -> None:
        header = encode_message(6, VIDEO, 1, 0, bytes(1001), 128)[:12]
        with pytest.raises(ProtocolViolation, match="1001 bytes is announced; the limit is 1000"):
            read(header, max_message_bytes=1000)

    def test_unfinished_messages_share_one_limit(self) -> None:
        reader = ChunkReader(max_message_bytes=1000)
        begun = [encode_message(csid, VIDEO, 1, 0, bytes(900), 128)[:140] for csid in range(3, 12)]
        with pytest.raises(ProtocolViolation, match="hold more than 1000"):
            for data in begun:
                list(reader.receive(data))

    def test_finished_and_aborted_messages_give_their_memory_back(self) -> None:
        reader = ChunkReader(max_message_bytes=300)
        abort = encode_control(MessageType.ABORT, (6).to_bytes(4, "big"), 128)
        for _ in range(5):
            assert len(list(reader.receive(encode_message(4, AUDIO, 1, 0, bytes(250), 128)))) == 1
            begun = encode_message(6, VIDEO, 1, 0, bytes(250), 128)[:140]
            assert len(list(reader.receive(begun + abort))) == 1

    def test_a_large_chunk_size_reserves_nothing(self) -> None:
        reader = ChunkReader(chunk_size=0x7FFFFFFF, max_message_bytes=1000)
        data = encode_message(6, VIDEO, 1, 0, bytes(1000), 1000)
        assert len(list(reader.receive(data))) == 1

    def test_it_limits_chunk_streams(self) -> None:
        data = b"".join(encode_message(csid, AUDIO, 1, 0, b"", 128) for csid in range(2, 20))
        assert len(read(data, max_chunk_streams=18)) == 18
        with pytest.raises(ProtocolViolation, match="More than 17"):
            read(data, max_chunk_streams=17)
