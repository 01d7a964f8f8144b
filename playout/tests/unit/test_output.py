"""What an output does when connections are slow, fail or have to be changed; on simulated time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from playout.errors import ConnectionRefused, PlayoutError
from playout.media import TrackKind
from playout.publisher.address import parse_address
from playout.publisher.backoff import ConnectRate
from playout.publisher.environment import Environment
from playout.publisher.output import Output, OutputOptions
from playout.pump.aired import Substitution
from playout.pump.shelf import Shelf
from playout.pump.wheel import Wheel
from playout.rtmp import chunks
from playout.rtmp.events import MessageKind
from playout.rtmp.messages import Command, MessageType
from playout.testing.network import SimulatedNetwork
from playout.testing.recording import Arrival, SessionRecord, digest_of
from playout.testing.simulated_ingest import SimulatedIngest
from playout.testing.tracks import programme_of, write_item
from playout.testing.virtual_time import START_NS, START_UTC_NS, VirtualLoop, run
from playout.timebase import frame_ms
from playout.timeline.programme import Programme, Sound, SoundVersion
from playout.tracks.reader import Track

ADDRESS = parse_address("rtmp://ingest/live", "key")
BACKUP = parse_address("rtmp://backup/live", "key")
GOP = 30
PICTURE_BYTES = 8_000
BYTES_PER_SECOND = 30 * PICTURE_BYTES


class Heard:
    """A listener that writes everything down, with the loop's time."""

    def __init__(self) -> None:
        self.events: list[tuple[str, float, object]] = []

    def _note(self, what: str, detail: object = None) -> None:
        self.events.append((what, asyncio.get_running_loop().time(), detail))

    def connecting(self) -> None:
        self._note("connecting")

    def acknowledged(self) -> None:
        self._note("acknowledged")

    def slow(self) -> None:
        self._note("slow")

    def lost(self, error: PlayoutError, retry_seconds: float) -> None:
        self._note("lost", (error.code, retry_seconds))

    def missing(self, error: PlayoutError) -> None:
        self._note("missing", error)

    def wrong(self, error: PlayoutError) -> None:
        self._note("wrong", error)

    def ended(self) -> None:
        self._note("ended")

    def substituted(self, substitution: Substitution) -> None:
        self._note("substituted", (substitution.item_id, substitution.error.code))

    def restored(self, kind: TrackKind, item_id: str, title: str) -> None:
        self._note("restored", (kind, item_id))

    def times(self, what: str) -> list[float]:
        return [at for name, at, _ in self.events if name == what]

    def details(self, what: str) -> list[object]:
        return [detail for name, _, detail in self.events if name == what]


class World:
    """Two ingests, a network, and outputs that share what those of a pump share."""

    def __init__(self, loop: VirtualLoop, programme: Programme) -> None:
        self.loop = loop
        self.network = SimulatedNetwork(
            loop, chance=random.Random(5), send_buffer_bytes=512 << 10,
            receive_buffer_bytes=64 << 10,
        )  # fmt: skip
        self.ingest = SimulatedIngest(self.network, "ingest")
        self.backup = SimulatedIngest(self.network, "backup")
        self.programme = programme
        self.shelf = Shelf()
        self.options = OutputOptions(
            environment=Environment(random=random.Random(6).random, connect=self.network.connect)
        )
        self.wheel = Wheel(self.options.pace.tick)
        self.heard: list[Heard] = []
        self.outputs: list[Output] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, address=ADDRESS, **more) -> Output:
        self.heard.append(Heard())
        output = Output(
            address, self.programme, self.shelf, self.heard[-1], options=self.options,
            wheel=self.wheel, **more,
        )  # fmt: skip
        self.outputs.append(output)
        self._tasks.append(asyncio.create_task(output.run()))
        return output

    async def stop(self) -> None:
        for output in self.outputs:
            output.stop()
        await asyncio.gather(*self._tasks)


@pytest.fixture
def simulate(tmp_path: Path) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    items = [
        write_item(tmp_path, name, frames, gop=GOP, picture_bytes=PICTURE_BYTES)
        for name, frames in (("a", 150), ("b", 97), ("c", 211))
    ]
    programme = programme_of(*items, epoch_ns=START_UTC_NS - 20 * 10**9)

    def start(test: Callable[[World], Awaitable[None]]) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            world = World(loop, programme)
            await test(world)
            await world.stop()

        run(main())

    return start


def pictures(*sessions: SessionRecord) -> list[Arrival]:
    return [arrival for s in sessions for arrival in s.media(MessageKind.VIDEO)]


def in_programme(programme: Programme, count: int) -> list[bytes]:
    """The digests of the first `count` pictures of a programme of one loop."""
    found: list[bytes] = []
    for item in programme.versions[0].items:
        track = Track.open(Path(item.video), TrackKind.VIDEO)
        found += [digest_of(track.body(n)) for n in range(item.frames)]
    return [found[n % len(found)] for n in range(count)]


def sound_places(programme: Programme) -> dict[bytes, tuple[str, int]]:
    """Which item and which frame of it a sound is."""
    found = {}
    for item in programme.versions[0].items:
        track = Track.open(Path(item.audio), TrackKind.AUDIO)
        found.update({digest_of(track.body(n)): (item.id, n) for n in range(track.frames)})
    return found


def assert_opens_well(session: SessionRecord) -> None:
    """Metadata, headers, then a key frame."""
    first_media = next(n for n, a in enumerate(session.arrivals) if a in list(session.media())[:1])
    before = session.arrivals[:first_media]
    assert [a.kind for a in before] == [
        MessageKind.METADATA, MessageKind.VIDEO, MessageKind.AUDIO,
    ]  # fmt: skip
    assert all(a.is_header for a in before[1:])
    assert pictures(session)[0].is_key


def test_time_chance_and_connections_come_from_its_environment(simulate) -> None:
    async def test(world: World) -> None:
        attempts = []

        async def refuse(address, **_):
            attempts.append(address)
            raise ConnectionRefused("Nothing listens there.")

        world.options = OutputOptions(environment=Environment(random=lambda: 0.5, connect=refuse))
        output = world.start()
        assert output.now_ms() == 20_000
        await asyncio.sleep(0.3)
        assert attempts == [ADDRESS, ADDRESS]
        assert world.heard[0].details("lost")[0] == ("ingest.refused", pytest.approx(0.225))

    simulate(test)


def test_a_machine_that_stood_still_between_two_clocks_is_where_the_clock_says(simulate) -> None:
    async def test(world: World) -> None:
        clock, stand_still = world.loop.clock, [5 * 10**9]

        def utc_ns() -> int:
            now_ns = clock.time_ns()
            if stand_still:
                clock.advance(stand_still.pop())
            return now_ns

        connect = world.network.connect
        world.options = OutputOptions(environment=Environment(utc_ns=utc_ns, connect=connect))
        assert world.start().now_ms() == 25_000

    simulate(test)


def test_the_proof_by_the_kernel_does_not_wait_for_a_wall_clock_that_was_set_back(simulate) -> None:
    async def test(world: World) -> None:
        world.ingest.manners.acknowledges = False
        world.start()
        await asyncio.sleep(1)
        world.loop.clock.step_wall(-3600 * 10**9)
        await asyncio.sleep(6)
        assert world.heard[0].times("acknowledged")

    simulate(test)


def test_it_tells_which_song_of_radio_mode_is_heard_and_where_in_it(simulate) -> None:
    async def test(world: World) -> None:
        first, *_ = world.programme.versions[0].items
        songs = (Sound("one", first.audio, 200, "One"), Sound("two", first.audio, 100, "Two"))
        output = world.start()
        assert output.heard_and_next() == (None, None)
        output.replace_programme(
            replace(world.programme, sound_versions=(SoundVersion(1, 0, songs),))
        )
        for _ in range(40):
            aac = output.now_ms() * 44_100 // 1_024_000
            heard, following = output.heard_and_next()
            assert heard is not None
            assert following is not None
            assert heard.item_id == ("one" if aac % 300 < 200 else "two")
            assert following.item_id != heard.item_id
            assert heard.begin <= aac < heard.end == following.begin
            await asyncio.sleep(0.37)

    simulate(test)


# -- planned changes ----------------------------------------------------------------------------


def test_a_planned_change_of_connection_loses_and_repeats_nothing(simulate) -> None:
    async def test(world: World) -> None:
        world.network.change("ingest", latency=0.03)
        output = world.start()
        await asyncio.sleep(4.3)
        assert output.rotate()
        assert not output.rotate(), "one change at a time"
        await asyncio.sleep(8)
        first, second = world.ingest.of("key")
        assert first.end == "unpublished"
        assert second.asked_ns > first.ended_ns
        for session in (first, second):
            assert_opens_well(session)
        shown = [a.digest for a in pictures(first, second)]
        expected = in_programme(world.programme, 2000)
        begin = next(n for n in range(20 * 30 - 90, 20 * 30 + 90) if expected[n] == shown[0])
        assert shown == expected[begin : begin + len(shown)]
        sounds = [[a.digest for a in s.media(MessageKind.AUDIO)] for s in (first, second)]
        places = sound_places(world.programme)
        item, number = places[sounds[0][-1]]
        assert places[sounds[1][0]] == (item, number + 1)
        # The receiver never ran dry: each picture came before it was due.
        for number, arrival in enumerate(pictures(first, second)):
            due_ns = START_NS - 20 * 10**9 + frame_ms(begin + number, 30) * 10**6
            if number > 60:
                assert arrival.at_ns < due_ns
        assert world.heard[0].details("lost") == []

    simulate(test)


def test_two_legs_change_at_the_same_join_and_agree_on_every_time(simulate) -> None:
    async def test(world: World) -> None:
        world.options = OutputOptions(environment=world.options.environment, rotate_after=40)
        world.start()
        await asyncio.sleep(7)
        world.start(BACKUP)
        await asyncio.sleep(33)
        legs = world.ingest.of("key"), world.backup.of("key")
        assert [len(leg) for leg in legs] == [2, 2]
        joins = [0, 150, 247]
        for leg in legs:
            assert_opens_well(leg[1])
            expected = in_programme(world.programme, 2500)
            shown = [a.digest for a in pictures(*leg)]
            begin = next(n for n in range(500, 1200) if expected[n] == shown[0])
            assert shown == expected[begin : begin + len(shown)]
            join = begin + len(pictures(leg[0]))
            assert join % 458 in joins
            assert join >= 40 * 30
            assert pictures(leg[1])[0].timestamp == frame_ms(join - 40 * 30, 30)
        for number in (0, 1):
            of_first, of_second = (
                {(a.kind, a.timestamp, a.digest) for a in leg[number].media()} for leg in legs
            )
            times = {a.timestamp for a in legs[1][number].media()}
            common = {
                entry for entry in of_first if min(times) + 100 <= entry[1] <= max(times) - 100
            }
            assert len(common) > 500
            assert common <= of_second

    simulate(test)


def test_what_is_missing_is_told_once_however_often_it_comes_round_and_again_when_it_is_back(
    simulate,
) -> None:
    async def test(world: World) -> None:
        a, b, c = world.programme.versions[0].items
        world.programme = programme_of(
            *(replace(each, frames=30) for each in (a, b, c)), epoch_ns=world.programme.epoch_ns
        )
        for away in (b, c):
            Path(away.video).rename(away.video + ".away")
        output = world.start()
        heard = world.heard[0]
        missing = [("b", "track.not_found"), ("c", "track.not_found")]
        await asyncio.sleep(20)
        assert sorted(heard.details("substituted")) == missing
        assert output.progress is not None
        assert output.progress.substitutions > 10, "each place counts"
        world.network.reset("ingest")
        await asyncio.sleep(20)
        assert len(heard.times("acknowledged")) == 2
        assert sorted(heard.details("substituted")) == missing
        assert heard.details("restored") == []
        Path(b.video + ".away").rename(b.video)
        await asyncio.sleep(20)
        assert heard.details("restored") == [(TrackKind.VIDEO, "b")]
        Path(b.video).rename(b.video + ".away")
        await asyncio.sleep(20)
        assert sorted(heard.details("substituted")) == [missing[0], *missing]

    simulate(test)


def test_an_ingest_is_not_bothered_before_there_is_media(simulate) -> None:
    async def test(world: World) -> None:
        for item in world.programme.versions[0].items:
            Path(item.video).rename(item.video + ".away")
        world.start()
        heard = world.heard[0]
        await asyncio.sleep(10)
        assert len(heard.times("missing")) >= 8, "it looks again and again"
        assert world.ingest.sessions == []
        assert heard.times("connecting") == []
        for item in world.programme.versions[0].items:
            Path(item.video + ".away").rename(item.video)
        await asyncio.sleep(4)
        assert len(heard.times("acknowledged")) == 1

    simulate(test)


def test_an_item_of_which_a_part_is_missing_is_not_restored_by_the_part_that_is_there(
    simulate,
) -> None:
    async def test(world: World) -> None:
        a, b, _ = world.programme.versions[0].items
        world.programme = programme_of(a, b, epoch_ns=world.programme.epoch_ns)
        world.start()
        await asyncio.sleep(1)
        track = world.shelf.track(b.video, TrackKind.VIDEO)
        track.blocks.missing = frozenset({track.layout.blocks - 1})
        await asyncio.sleep(60)
        heard = world.heard[0]
        assert len(heard.details("substituted")) == 1
        assert heard.details("restored") == []

    simulate(test)


def test_it_stops_at_once_when_the_ingest_has_not_said_a_word(simulate) -> None:
    async def test(world: World) -> None:
        world.ingest.manners.answers = False
        world.start()
        await asyncio.sleep(3)
        asked = world.loop.time()
        await world.stop()
        assert world.loop.time() - asked < 0.1
        assert world.heard[0].times("lost") == []

    simulate(test)


def test_it_stops_within_two_seconds_when_the_ingest_takes_nothing(simulate) -> None:
    async def test(world: World) -> None:
        world.start()
        await asyncio.sleep(5)
        world.network.change("ingest", lost_up=True, lost_down=True)
        await asyncio.sleep(4)
        asked = world.loop.time()
        await world.stop()
        assert world.loop.time() - asked < 2.1

    simulate(test)


def test_a_key_refused_after_a_long_outage_is_tried_again_after_two_seconds(simulate) -> None:
    async def test(world: World) -> None:
        world.network.change("ingest", refuses=True)
        world.start()
        await asyncio.sleep(60)
        world.ingest.manners.refused.add("key")
        world.network.change("ingest", refuses=False)
        await asyncio.sleep(120)
        waits = [wait for code, wait in world.heard[0].details("lost") if code.endswith("rejected")]
        bases = [2, 5, 10, 30]
        assert all(base <= w <= 1.1 * base for base, w in zip(bases, waits[:4], strict=True))
        world.ingest.manners.refused.clear()

    simulate(test)


def test_an_ingest_that_ends_the_stream_is_asked_again(simulate) -> None:
    async def test(world: World) -> None:
        world.start()
        await asyncio.sleep(5)
        ((_, socket),) = world.ingest.socket_of.items()
        info = {"level": "status", "code": "NetStream.Unpublish.Success"}
        command = Command("onStatus", 0, (None, info)).encode()
        said = chunks.encode_message(3, MessageType.AMF0_COMMAND, 1, 0, command, 4096)
        socket.send([said], len(said))
        await asyncio.sleep(2)
        assert len(world.ingest.of("key")) == 2

    simulate(test)


def test_an_output_that_is_not_publishing_has_nothing_to_change(simulate) -> None:
    async def test(world: World) -> None:
        world.network.change("ingest", refuses=True)
        output = world.start()
        await asyncio.sleep(1)
        assert not output.rotate()

    simulate(test)


# -- ingests that take too little ---------------------------------------------------------------


def test_a_black_hole_is_doubted_at_five_seconds_and_left_by_eight(simulate) -> None:
    async def test(world: World) -> None:
        world.start()
        await asyncio.sleep(6)
        world.network.change("ingest", lost_up=True, lost_down=True)
        begun = world.loop.time()
        await asyncio.sleep(12)
        heard = world.heard[0]
        assert heard.details("lost")[0][0] == "ingest.stalled"
        assert 4 <= heard.times("slow")[0] - begun <= 7
        assert 6.5 <= heard.times("lost")[0] - begun <= 8
        world.network.change("ingest", lost_up=False, lost_down=False)
        await asyncio.sleep(8)
        assert len(world.ingest.publishing) == 1

    simulate(test)


def test_an_ingest_that_asks_on_and_on_and_takes_no_answer_fills_no_memory(simulate) -> None:
    async def test(world: World) -> None:
        output = world.start()
        await asyncio.sleep(5)
        world.network.change("ingest", lost_up=True)
        for _ in range(60):
            await asyncio.sleep(0.1)
            for _ in range(1000):
                world.ingest.ping_all()
            transport = next(iter(world.network.clients("ingest")), None)
            unsent = 0 if transport is None else transport.unsent_bytes()
            # The socket's own buffer, a tick of media, and answers.
            assert unsent <= (512 << 10) + 0.5 * 1.1 * BYTES_PER_SECOND + (64 << 10)
        assert world.heard[0].times("lost")
        world.network.change("ingest", lost_up=False)
        await asyncio.sleep(5)
        assert output.progress is not None
        assert output.progress.acknowledged

    simulate(test)


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_slow_ingest_gets_fewer_groups_of_pictures_and_nothing_piles_up(simulate, share) -> None:
    async def test(world: World) -> None:
        output = world.start()
        await asyncio.sleep(5)
        world.network.change("ingest", bytes_per_second=share * BYTES_PER_SECOND)
        most = 0
        for _ in range(600):
            await asyncio.sleep(0.1)
            progress = output.progress
            assert progress is not None, "it stays connected"
            most = max(most, progress.unsent_bytes)
        # The socket's own buffer, and what one tick adds at twice the rate.
        assert most <= (512 << 10) + 0.5 * 1.1 * BYTES_PER_SECOND
        assert progress.jumps >= 2
        assert progress.substitutions == 0
        assert progress.degraded
        assert world.heard[0].times("slow")
        world.network.change("ingest", bytes_per_second=None)
        await asyncio.sleep(15)
        assert not progress.degraded
        (session,) = world.ingest.of("key")
        shown = pictures(session)
        for before, after in pairwise(shown):
            step = after.timestamp - before.timestamp
            assert step in (33, 34) or (after.is_key and step > 0)
        # In the end it is where the clock is, and not further.
        now_ms = output.now_ms()
        assert now_ms + 1000 <= shown[-1].timestamp <= now_ms + 1500

    simulate(test)


def test_after_a_pause_it_sends_at_twice_the_rate_and_no_faster(simulate) -> None:
    async def test(world: World) -> None:
        output = world.start()
        await asyncio.sleep(5)
        world.ingest.read_on(False)
        await asyncio.sleep(4.5)
        world.ingest.read_on(True)
        (session,) = world.ingest.of("key")
        released = len(session.arrivals)
        await asyncio.sleep(6)
        assert output.progress.jumps == 0
        later = [a for a in session.arrivals[released:] if a.kind is MessageKind.VIDEO]
        # What the kernels held comes at once; after that, two seconds of media a second at most.
        behind = [a for a in later if a.at_ns > later[0].at_ns + 600_000_000]
        for a, b in zip(behind, behind[30:], strict=False):
            assert b.timestamp - a.timestamp <= 2.0 * (b.at_ns - a.at_ns) / 1e6 + 501

    simulate(test)


# -- many of them -------------------------------------------------------------------------------


def test_sixty_that_fall_together_come_back_one_after_the_other(simulate) -> None:
    async def test(world: World) -> None:
        world.options = OutputOptions(
            environment=world.options.environment, connect_rate=ConnectRate(20, 20)
        )
        for number in range(60):
            world.start(parse_address("rtmp://ingest/live", f"key-{number}"))
        await asyncio.sleep(3)
        assert len(world.ingest.publishing) == 60
        fell = world.loop.time()
        world.ingest.restart()
        await asyncio.sleep(5)
        back = [s.asked_ns / 1e9 - fell for s in world.ingest.sessions[60:]]
        assert len(back) == len(world.ingest.publishing) == 60
        for begin in (0.0, 0.5, 1.0, 1.5, 2.0):
            assert len([at for at in back if begin <= at < begin + 1]) <= 20 + 20
        assert max(back) > 1.8
        assert max(back) < 4

    simulate(test)


def test_a_lone_stream_that_fell_is_back_at_once(simulate) -> None:
    async def test(world: World) -> None:
        world.start()
        gaps = []
        for _ in range(6):
            await asyncio.sleep(12.34)
            fell = world.loop.time()
            world.network.reset("ingest")
            await asyncio.sleep(3)
            gaps.append(world.ingest.sessions[-1].first_media_ns / 1e9 - fell)
            assert_opens_well(world.ingest.sessions[-1])
        assert len(world.ingest.sessions) == 7
        assert max(gaps) < 0.5

    simulate(test)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_reset_at_any_moment_is_followed_by_a_session_that_opens_well(simulate, seed) -> None:
    async def test(world: World) -> None:
        chance = random.Random(seed)
        # Slow enough for many to fall into the handshake, the commands and the first group.
        world.network.change("ingest", latency=0.04)
        world.start()
        gaps = []
        for _ in range(20):
            await asyncio.sleep(11 + 4 * chance.random())
            world.network.reset("ingest")
            # Once more, while the next one connects, shakes hands, asks, or sends its first group.
            await asyncio.sleep(chance.choice((0.2, 1.0)) * chance.random())
            world.network.reset("ingest")
            fell, before = world.loop.time(), len(world.ingest.sessions) - 1
            await asyncio.sleep(8)
            media = [s.first_media_ns for s in world.ingest.sessions[max(0, before) :]]
            gaps += [at / 1e9 - fell for at in media if at is not None and at / 1e9 > fell][:1]
        assert len(gaps) == 20
        sessions = [s for s in world.ingest.of("key") if s.first_media_ns is not None]
        assert len(sessions) > 15
        for session in sessions:
            assert_opens_well(session)
        # After two in a row it waits for up to a second before it connects.
        assert sorted(gaps)[len(gaps) // 2] <= 1.5
        assert max(gaps) <= 5

    simulate(test)


def test_one_stalled_stream_of_twenty_delays_none_of_the_others(simulate) -> None:
    async def test(world: World) -> None:
        world.start(parse_address("rtmp://backup/live", "stalled"))
        for number in range(19):
            world.start(parse_address("rtmp://ingest/live", f"key-{number}"))
        await asyncio.sleep(5)
        world.network.change("backup", lost_up=True, lost_down=True)
        await asyncio.sleep(20)
        assert world.wheel.lateness.max_ms < 50
        for session in world.ingest.sessions:
            steps = [b.at_ns - a.at_ns for a, b in pairwise(pictures(session))]
            assert max(steps) <= 260e6

    simulate(test)


# -- other ways in ------------------------------------------------------------------------------


def test_the_second_address_is_tried_after_two_failures_and_the_first_one_comes_back(
    simulate,
) -> None:
    async def test(world: World) -> None:
        world.network.change("ingest", refuses=True)
        world.start(fallbacks=(BACKUP,))
        await asyncio.sleep(10)
        assert len(world.heard[0].details("lost")) == 2
        assert len(world.backup.publishing) == 1
        world.network.change("ingest", refuses=False)
        await asyncio.sleep(10)
        assert not world.ingest.sessions, "one that works is kept"
        world.network.reset("backup")
        await asyncio.sleep(3)
        assert len(world.ingest.publishing) == 1

    simulate(test)


def test_from_a_fallback_it_goes_home_at_a_key_frame_once_the_address_answers(simulate) -> None:
    async def test(world: World) -> None:
        world.network.change("ingest", refuses=True)
        output = world.start(fallbacks=(BACKUP,))
        await asyncio.sleep(10)
        assert output.used == BACKUP
        await asyncio.sleep(310)
        assert len(world.backup.of("key")) == 1, "nothing is risked while nobody answers there"
        world.network.change("ingest", refuses=False)
        await asyncio.sleep(300)
        assert output.used == ADDRESS
        (away,), (home,) = world.backup.of("key"), world.ingest.of("key")
        assert away.end == "unpublished"
        assert_opens_well(home)
        expected = in_programme(world.programme, 20_000)
        shown = [a.digest for a in pictures(away, home)]
        begin = next(n for n in range(500, 1200) if expected[n : n + 9] == shown[:9])
        assert shown == expected[begin : begin + len(shown)]
        assert len(world.heard[0].details("lost")) == 2, "the way back costs nothing"

    simulate(test)


def test_the_address_itself_is_tried_ever_less_often_when_it_does_not_last(simulate) -> None:
    async def test(world: World) -> None:
        world.network.change("ingest", refuses=True)
        output = world.start(fallbacks=(BACKUP,))
        await asyncio.sleep(10)
        world.network.change("ingest", refuses=False)
        world.ingest.manners.closes_on_publish = True
        await asyncio.sleep(330)
        assert output.used == BACKUP
        heard = world.heard[0]
        assert len(heard.details("lost")) == 4, "two at the beginning, two on the way back"
        await asyncio.sleep(330)
        assert len(heard.details("lost")) == 4
        await asyncio.sleep(330)
        assert len(heard.details("lost")) == 6
        assert output.used == BACKUP

    simulate(test)


def test_a_fallback_that_is_taken_away_is_left_at_a_key_frame(simulate) -> None:
    async def test(world: World) -> None:
        world.network.change("ingest", refuses=True)
        output = world.start(fallbacks=(BACKUP,))
        await asyncio.sleep(10)
        world.network.change("ingest", refuses=False)
        output.fallbacks = ()
        await asyncio.sleep(5)
        assert [s.end for s in world.backup.of("key")] == ["unpublished"]
        assert len(world.ingest.publishing) == 1
        world.network.reset("ingest")
        await asyncio.sleep(10)
        assert len(world.backup.of("key")) == 1

    simulate(test)


def test_a_defect_of_one_session_is_told_and_the_others_go_on(simulate) -> None:
    async def test(world: World) -> None:
        broken = world.start()
        world.start(BACKUP)
        await asyncio.sleep(5)

        def fail(*_):
            raise ZeroDivisionError("a defect")

        broken._feed.take = fail
        await asyncio.sleep(5)
        with pytest.raises(ZeroDivisionError):
            await world._tasks[0]
        world._tasks.pop(0)
        world.outputs.pop(0)
        assert world.backup.publishing["key"].last_media_ns / 1e9 > world.loop.time() - 0.5

    simulate(test)
