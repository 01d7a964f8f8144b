"""What is written down of what was on air."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from playout.media import TrackKind
from playout.node.as_run import AsRun
from playout.node.pumped_output import PumpedOutput
from playout.publisher.address import Address, parse_address
from playout.publisher.environment import Environment
from playout.publisher.output import OutputOptions
from playout.pump import aired
from playout.pump.lateness import BOUNDS_MS, Lateness
from playout.pump.shelf import Shelf
from playout.pump.wheel import Wheel
from playout.rtmp.events import MessageKind
from playout.supervisor.ports import Aired, DesiredOutput
from playout.testing.network import SimulatedNetwork
from playout.testing.recording import digest_of
from playout.testing.simulated_ingest import SimulatedIngest
from playout.testing.tracks import programme_of, write_item
from playout.testing.virtual_time import START_UTC_NS, VirtualLoop, run
from playout.timeline.programme import Programme
from playout.timeline.resolve import placement_at
from playout.tracks.reader import Track


def stretch(item: str, begin: int, end: int, *, place: int, cause: str = "", card: str = ""):
    return aired.Aired(
        TrackKind.VIDEO, item, item.upper(), begin, end, cause=cause, card=card, place=place
    )


def test_a_row_is_told_when_it_begins_and_when_it_is_over():
    log = AsRun()
    log.sent(stretch("a", 30, 60, place=0))
    assert log.take() == (Aired("a", "A", 30, None),)
    log.sent(stretch("a", 30, 90, place=0))
    assert log.take() == ()
    log.sent(stretch("a", 30, 100, place=0))
    log.sent(stretch("b", 100, 150, place=100))
    log.sent(stretch("a", 150, 180, place=150))
    assert log.take() == (
        Aired("a", "A", 30, 100), Aired("b", "B", 100, 150), Aired("a", "A", 150, None)
    )  # fmt: skip


def test_a_loop_of_one_item_is_one_row_and_a_card_over_it_is_none():
    log = AsRun()
    log.sent(stretch("a", 0, 40, place=0))
    log.sent(stretch("a", 40, 70, place=0, card="Song"))
    log.sent(stretch("a", 70, 100, place=0))
    assert log.take() == (Aired("a", "A", 0, None),)
    for place in range(100, 100_000, 100):
        log.sent(stretch("a", place, place + 100, place=place))
        assert log.take() == ()
    log.sent(stretch("b", 100_000, 100_050, place=100_000))
    assert log.take() == (Aired("a", "A", 0, 100_000), Aired("b", "B", 100_000, None))


def test_a_loop_is_divided_where_something_was_not_aired_or_where_it_was_replaced():
    log = AsRun()
    log.sent(stretch("a", 0, 100, place=0))
    log.sent(stretch("a", 130, 160, place=100))
    log.sent(stretch("a", 160, 200, place=100, cause="track.corrupt"))
    log.sent(stretch("a", 200, 300, place=200))
    assert log.take() == (
        Aired("a", "A", 0, 100), Aired("a", "A", 130, 160),
        Aired("a", "A", 160, 200, "track.corrupt"), Aired("a", "A", 200, None),
    )  # fmt: skip


def test_a_loop_of_days_is_a_row_a_day():
    log = AsRun(longest_loop=250)
    for place in range(0, 1000, 100):
        log.sent(stretch("a", place, place + 100, place=place))
    log.stop(1000, "")
    assert log.take() == tuple(
        Aired("a", "A", begin, min(begin + 300, 1000)) for begin in range(0, 1000, 300)
    )


def test_what_was_not_aired_as_written_is_a_row_of_its_own_with_its_cause():
    log = AsRun()
    log.sent(stretch("a", 0, 40, place=0))
    log.sent(stretch("a", 40, 70, place=0, cause="track.corrupt"))
    log.sent(stretch("a", 70, 100, place=0))
    log.deviate("a", "track.incomplete")
    assert log.take() == (
        Aired("a", "A", 0, 40), Aired("a", "A", 40, 70, "track.corrupt"),
        Aired("a", "A", 70, None, "track.incomplete"),
    )  # fmt: skip
    log.deviate("b", "track.missing")
    log.sent(stretch("b", 100, 130, place=100))
    assert log.take()[-1] == Aired("b", "B", 100, None, "track.missing")


def test_the_end_of_a_session_cuts_what_did_not_arrive():
    log = AsRun()
    log.sent(stretch("a", 0, 100, place=0))
    log.sent(stretch("b", 100, 120, place=100))
    assert len(log.take()) == 2
    log.sent(stretch("c", 120, 125, place=120))
    log.stop(90, "ingest.lost")
    log.stop(91, "ingest.lost")
    assert log.take() == (
        Aired("a", "A", 0, 90, "ingest.lost"), Aired("b", "B", 100, 100, "ingest.lost"),
    )  # fmt: skip
    log.sent(stretch("c", 130, 150, place=120))
    log.stop(150, "")
    assert log.take() == (Aired("c", "C", 130, 150),)


def test_a_planned_change_of_connection_divides_no_row():
    log = AsRun()
    log.sent(stretch("a", 0, 60, place=0))
    log.sent(stretch("a", 60, 90, place=0))
    log.stop(90, "")
    assert log.take() == (Aired("a", "A", 0, 90),)


def test_a_thousand_replaced_sounds_are_not_all_remembered():
    log = AsRun()
    for n in range(1000):
        log.deviate(f"song {n}", "track.missing")
    log.sent(stretch("song 0", 0, 30, place=0))
    assert log.take() == (Aired("song 0", "SONG 0", 0, None),)


class World:
    """What the outputs of a pump share, one ingest, and the network between them."""

    def __init__(self, loop: VirtualLoop, programme: Programme) -> None:
        self.network = SimulatedNetwork(
            loop, chance=random.Random(3), send_buffer_bytes=512 << 10,
            receive_buffer_bytes=64 << 10,
        )  # fmt: skip
        self.ingest = SimulatedIngest(self.network, "ingest")
        self.programme = programme
        self.shelf = Shelf()
        self.journal = None
        self.may = True
        self.options = OutputOptions(
            environment=Environment(random=random.Random(4).random, connect=self.network.connect)
        )
        self.wheel = Wheel(self.options.pace.tick)
        self.rows: dict[int, Aired] = {}

    def may_send(self) -> bool:
        return self.may

    def report_soon(self, output_id: str | None = None) -> None:
        return

    def start(self, *fallbacks: Address) -> PumpedOutput:
        desired = DesiredOutput("o", 1, True, 1, programme=self.programme)
        address = parse_address("rtmp://ingest/live", "key")
        output = PumpedOutput(desired, address, self.programme, self, fallbacks)
        output.task = asyncio.create_task(output.output.run())
        return output

    async def watch(self, output: PumpedOutput, seconds: float) -> None:
        """Let time pass, with a report now and then."""
        for _ in range(int(seconds / 0.7)):
            await asyncio.sleep(0.7)
            self.hear(output)

    def hear(self, output: PumpedOutput) -> None:
        for row in output.report(0.0).as_run:
            self.rows[row.start_frame] = row

    def received(self, number: int) -> list[tuple[str, int]]:
        """Item and frame of each picture of a session, as the ingest has it."""
        of = {}
        for item in self.programme.versions[0].items:
            track = Track.open(Path(item.video), TrackKind.VIDEO)
            of.update({digest_of(track.body(n)): (item.id, n) for n in range(item.frames)})
        return [of[a.digest] for a in self.ingest.sessions[number].media(MessageKind.VIDEO)]

    def written(self, *, begin: int = 0, end: int | None = None) -> list[tuple[str, int]]:
        """The same as the rows from `begin` on have it."""
        found = []
        for row in sorted(self.rows.values(), key=lambda row: row.start_frame):
            if row.start_frame < begin or (end is not None and row.start_frame >= end):
                continue
            assert row.end_frame is not None, row
            for frame in range(row.start_frame, row.end_frame):
                placement = placement_at(self.programme, frame)
                assert placement is not None
                assert placement.item.id == row.item_id
                found.append((row.item_id, frame - placement.start))
        return found


@pytest.fixture
def simulate(tmp_path: Path) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    items = [
        write_item(tmp_path, name, frames, gop=30, picture_bytes=8_000)
        for name, frames in (("a", 150), ("b", 97), ("c", 211))
    ]
    programme = programme_of(*items, epoch_ns=START_UTC_NS - 20 * 10**9)

    def start(test: Callable[[World], Awaitable[None]]) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            await test(World(loop, programme))

        run(main())

    return start


async def ended(world: World, output: PumpedOutput) -> None:
    assert output.task is not None
    await output.task
    world.hear(output)


def test_rows_are_what_the_ingest_has_received_to_the_last_frame_before_a_stop(simulate):
    async def test(world: World) -> None:
        output = world.start()
        await world.watch(output, 23.0)
        output.stop()
        await ended(world, output)
        assert world.written() == world.received(0)
        assert len(world.received(0)) > 600

    simulate(test)


def test_rows_are_what_the_ingest_has_received_when_the_programme_ends(simulate):
    async def test(world: World) -> None:
        versions = (replace(world.programme.versions[0], loop=False),)
        world.programme = replace(
            world.programme, versions=versions, epoch_ns=world.programme.epoch_ns + 12 * 10**9
        )
        output = world.start()
        await ended(world, output)
        assert world.written() == world.received(0)
        assert world.received(0)[-1] == ("c", 210)

    simulate(test)


@pytest.mark.parametrize("seconds", [4.0, 9.3, 11.0])
def test_rows_end_where_a_connection_was_lost(simulate, seconds):
    async def test(world: World) -> None:
        output = world.start()
        await world.watch(output, seconds)
        # The ingest gets nothing any more, while a second of media goes into the buffers.
        world.network.change("ingest", lost_up=True)
        await asyncio.sleep(1.1)
        world.ingest.restart()
        world.network.change("ingest", lost_up=False)
        await world.watch(output, 6.0)
        output.stop()
        await ended(world, output)
        begin = min(
            row.start_frame for row in world.rows.values()
            if row.start_frame >= max(r.end_frame or 0 for r in world.rows.values() if r.cause)
        )  # fmt: skip
        # In what the network lost, a picture or two may have been on either side of a sound.
        lost, had = world.written(end=begin), world.received(0)
        assert lost[: len(had)] == had[: len(lost)]
        assert abs(len(lost) - len(had)) <= 2
        assert world.written(begin=begin) == world.received(1)
        cut = [row for row in world.rows.values() if row.cause and row.end_frame != row.start_frame]
        assert [row.cause for row in cut] == ["ingest.lost"]

    simulate(test)


def test_rows_end_where_another_node_took_over(simulate):
    async def test(world: World) -> None:
        output = world.start()
        await world.watch(output, 7.0)
        world.may = False
        await world.watch(output, 2.0)
        assert world.written() == world.received(0)
        last = max(world.rows.values(), key=lambda row: row.start_frame)
        assert last.cause == "node.lease_lost"
        output.stop()
        await ended(world, output)
        assert world.written() == world.received(0)

    simulate(test)


def test_each_round_without_its_sound_is_a_row_with_a_cause_and_the_log_says_it_once(simulate):
    async def test(world: World) -> None:
        b = world.programme.versions[0].items[1]
        for name in ("audio.track", "audio.index"):
            (Path(b.audio) / name).unlink()
        output = world.start()
        events = []
        for _ in range(60):
            await asyncio.sleep(0.7)
            report = output.report(0.0)
            events += report.events
            world.rows |= {row.start_frame: row for row in report.as_run}
        rounds = [row for row in world.rows.values() if row.item_id == "b"]
        assert len(rounds) >= 2
        assert {row.cause for row in rounds} == {"track.not_found"}
        told = [event for event in events if event.code.startswith("item.")]
        assert [(event.code, event.data["item"]) for event in told] == [("item.substituted", "b")]
        output.stop()
        await ended(world, output)

    simulate(test)


def test_the_log_says_once_that_there_is_no_media_although_the_reasons_take_turns(simulate):
    async def test(world: World) -> None:
        a, b, c = world.programme.versions[0].items
        for item in (a, c):
            for file in Path(item.video).iterdir():
                file.unlink()
        (Path(b.video) / "video.index").write_bytes(b"nothing of the kind")
        output = world.start()
        await asyncio.sleep(40)
        told = [(event.code, event.data.get("code")) for event in output.report(0.0).events]
        assert sorted(told) == [
            ("media.missing", "track.corrupt"), ("media.missing", "track.not_found"),
        ]  # fmt: skip
        output.stop()
        await ended(world, output)

    simulate(test)


def test_a_cause_is_told_once_although_two_hosts_take_turns_and_its_text_counts(simulate):
    async def test(world: World) -> None:
        backup = SimulatedIngest(world.network, "backup")
        for ingest in (world.ingest, backup):
            ingest.manners.closes_on_publish = True
        output = world.start(parse_address("rtmp://backup/live", "key"))
        events = []
        for _ in range(60):
            await asyncio.sleep(10)
            events += output.report(0.0).events
        lost = [(event.code, event.text.split()[0], event.data["code"]) for event in events]
        assert len(lost) == len(set(lost))
        assert 2 <= len(lost) <= 4
        output.stop()
        await ended(world, output)

    simulate(test)


def test_lateness_is_counted_up_to_each_bound():
    late = Lateness()
    for ms in (0.2, 3.0, 40.0, 5000.0):
        late.add(ms)
    counts = dict(zip((*BOUNDS_MS, None), late.histogram(), strict=True))
    assert (counts[1], counts[5], counts[50], counts[1000], counts[None]) == (1, 2, 3, 3, 4)
