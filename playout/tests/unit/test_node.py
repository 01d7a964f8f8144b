"""Messages, deadlines and the judgement of addresses."""

import errno
import os

import pytest

from playout.errors import NodeProtocolError
from playout.media import HOUSE_AUDIO, video_profile
from playout.node.deadline import Deadline
from playout.node.journal import Journal
from playout.node.messages import (
    decode,
    desired_from_json,
    desired_to_json,
    encode,
    report_from_json,
    report_to_json,
)
from playout.publisher.reachability import address_check
from playout.supervisor.ports import DesiredOutput, OutputEvent, OutputReport
from playout.supervisor.states import OutputState
from playout.timeline.programme import Item, Programme, Sound, SoundVersion, Version

PROGRAMME = Programme(
    1_795_000_000_000_000_000,
    video_profile("720p25").rate,
    HOUSE_AUDIO.rate,
    (Version(4, 75, (Item("a", "/v", "/a", 100, "Ä"), Item("b", "/v", "/a", 50)), 1, 25, False),),
    (SoundVersion(1, 0, (Sound("s", "/a", 30),)),),
    profile="720p25@1",
)


def test_an_output_survives_the_way_to_the_pump():
    wish = DesiredOutput("o", 7, True, 3, "rtmps://h/app?backup=1", "k/ey", PROGRAMME, "Lo-fi",
                         fallbacks=("rtmps://other/app?backup=1",))  # fmt: skip
    line = encode("set", output=desired_to_json(wish))
    assert line.count(b"\n") == 1
    assert desired_from_json(decode(line)["output"]) == wish


def test_a_report_survives_the_way_back():
    report = OutputReport(
        "o", 7, 3, OutputState.ON_AIR, 5, events=(OutputEvent("c", 1, "t", {"a": "b"}),)
    )
    line = encode("report", outputs=[report_to_json(report)])
    assert report_from_json(decode(line)["outputs"][0]) == report


@pytest.mark.parametrize(
    "line", [b"", b"no json\n", b"[]\n", b'{"v":1}\n', b'{"v":1,"type":"set"}\n']
)
def test_another_version_or_noise_is_refused(line):
    with pytest.raises(NodeProtocolError):
        decode(line)


def test_secrets_do_not_show_in_text_forms():
    wish = DesiredOutput("o", 7, True, 3, "rtmps://h/app", "s3cret", PROGRAMME)
    assert "s3cret" not in repr(wish)


def test_a_deadline_is_seen_by_another_mapping_and_never_shortened(tmp_path):
    mine, theirs = Deadline(tmp_path / "d"), Deadline(tmp_path / "d")
    assert not theirs.allows(1)
    mine.extend(100)
    mine.extend(50)
    assert theirs.allows(99)
    assert not theirs.allows(100)
    mine.hold(20_000)
    assert theirs.allows(10_000)
    assert not theirs.allows(20_000)
    mine.hold(0)
    assert not theirs.allows(10_000)


@pytest.mark.parametrize("kind", [Deadline, Journal])
def test_what_is_written_through_a_mapping_has_its_place_before_the_disk_is_full(tmp_path, kind):
    hole = tmp_path / "left by an earlier release"
    kind(tmp_path / "new")
    size = (tmp_path / "new").stat().st_size
    with hole.open("wb") as file:
        file.truncate(size)
    kind(hole)
    for path in (tmp_path / "new", hole):
        assert 512 * path.stat().st_blocks >= size


@pytest.mark.parametrize("kind", [Deadline, Journal])
def test_a_disk_without_room_is_told_before_anything_is_mapped(tmp_path, monkeypatch, kind):
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    kind(tmp_path / "known")
    monkeypatch.setattr(os, "posix_fallocate", full)
    kind(tmp_path / "known")
    with pytest.raises(OSError, match="No space left"):
        kind(tmp_path / "new")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1",
     "fe80::1%eth0", "::ffff:127.0.0.1", "224.0.0.1", "fc00::1", "64:ff9b::7f00:1"],
)  # fmt: skip
def test_a_public_policy_refuses_addresses_of_the_inside(host):
    assert not address_check("public")(host, 1935)


def test_an_operator_may_allow_networks_and_single_ports():
    check = address_check("public", ("10.0.0.0/8", "127.0.0.1:1935"))
    assert check("10.1.2.3", 1935)
    assert check("127.0.0.1", 1935)
    assert not check("127.0.0.1", 5432)
    assert check("142.250.1.1", 443)
