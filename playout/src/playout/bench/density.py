"""How many streams a machine can carry: the pump, ffmpeg and bare C, one after the other."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playout import clock
from playout.bench.certificate import Certificate, make_certificate
from playout.bench.media import CLIP_SECONDS, Media, Say, make_media, write_wire
from playout.bench.native import build
from playout.bench.peers import (
    SETTLE_SECONDS,
    Figures,
    measure,
    measure_ffmpeg,
    measure_sender,
    wait_for_publishers,
)
from playout.bench.pump_under_load import STARTS_PER_SECOND, LoadedPump
from playout.bench.receiver import SMALLEST_CHUNK, Receiver
from playout.bench.usage import read_from_disk
from playout.pump.pacing import Pace

_COST = "cpu_ms_per_stream_second"
_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class DensityOptions:
    """What to measure."""

    streams: int
    seconds: float
    tls: bool = False
    with_ffmpeg: bool = True
    receiver_chunk_size: int = SMALLEST_CHUNK
    """What the receiver announces, and ffmpeg then sends in; 128 announces nothing."""
    unique_media_bytes: int = 0
    """Total size of the distinct media; one clip for all streams when it is 0."""


def measure_density(options: DensityOptions, say: Say) -> dict[str, Any]:
    """Measure all engines against the same receiver; the values that `--json` prints.

    Raises `PlayoutError` when an engine cannot be measured.
    """
    directory = Path(tempfile.mkdtemp(prefix="playout-bench-"))
    try:
        return _measure(options, directory, say)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _measure(options: DensityOptions, directory: Path, say: Say) -> dict[str, Any]:
    certificate = make_certificate(directory) if options.tls else None
    sink = build("sink", directory, tls=options.tls)
    if sink is None:
        needs = "a C compiler and the headers of OpenSSL" if options.tls else "a C compiler"
        say(f"without {needs}: a receiver in Python, which takes more CPU, and no C sender")
    media = make_media(directory, say, unique_bytes=options.unique_media_bytes)
    with Receiver(sink, certificate, chunk_size=options.receiver_chunk_size) as receiver:
        pump = _measure_pump(options, receiver, media, directory, certificate, say)
        _wait_until_empty(receiver)
        ffmpeg = None
        if options.with_ffmpeg:
            ffmpeg = measure_ffmpeg(receiver, media, options.streams, options.seconds, say)
            _wait_until_empty(receiver)
        bare = bare_in_rhythm = None
        sender = build("sender", directory, tls=options.tls) if sink is not None else None
        if sender is not None:
            pace = Pace()

            def send_bare(tick_ms: int) -> Figures:
                wire, schedule = write_wire(media, directory, tick_ms=tick_ms)
                return measure_sender(
                    sender, receiver, wire, schedule, options.streams, options.seconds,
                    tick_ms=tick_ms, lead_ms=pace.lead, certificate=certificate, say=say,
                )  # fmt: skip

            bare = send_bare(pace.tick)
            if options.streams > pace.crowd:
                # What the pump gains by sending half as often, anybody could.
                _wait_until_empty(receiver)
                bare_in_rhythm = send_bare(2 * pace.tick)
    for name, found in (("pump", pump), ("ffmpeg", ffmpeg), ("C sender", bare)):
        doubt = doubts(found, media.mbps)
        if doubt:
            say(f"{name}: {doubt}")
    return result(options, pump, ffmpeg, bare, bare_in_rhythm)


def doubts(found: Figures | dict[str, Any] | None, mbps: float) -> str:
    """Why the figures of an engine should not be trusted; empty when they may."""
    if found is None or found["mbps_per_stream"] > (1 - _TOLERANCE) * mbps:
        return ""
    return (
        f"only {found['mbps_per_stream']:g} of {mbps:.2f} Mbit/s arrived, so the machine was too "
        "busy and the figures mean little: measure again, alone or with fewer streams"
    )


def result(
    options: DensityOptions,
    pump: dict[str, Any],
    ffmpeg: Figures | None,
    bare: Figures | None,
    bare_in_rhythm: Figures | None = None,
) -> dict[str, Any]:
    """The figures with their ratios; a ratio is null where there is nothing to compare with.

    The bare sender sends each stream every 250 ms; `c_sender_in_rhythm` is the same program sending
    as seldom as a pump does in a crowd.
    """

    def ratio(
        above: dict[str, Any] | Figures | None, below: dict[str, Any] | Figures | None
    ) -> float | None:
        if above is None or below is None or not below[_COST]:
            return None
        return round(float(above[_COST]) / float(below[_COST]), 2)

    return {
        "streams": options.streams,
        "tls": options.tls,
        "pump": pump,
        "ffmpeg": ffmpeg,
        "c_sender": bare,
        "ratio_to_ffmpeg": ratio(ffmpeg, pump),
        "ratio_to_c": ratio(pump, bare),
        **(
            {
                "c_sender_in_rhythm": bare_in_rhythm,
                "ratio_to_c_in_rhythm": ratio(pump, bare_in_rhythm),
            }
            if bare_in_rhythm is not None
            else {}
        ),
        **({"unique_media": options.unique_media_bytes} if options.unique_media_bytes else {}),
    }


def _measure_pump(
    options: DensityOptions,
    receiver: Receiver,
    media: Media,
    directory: Path,
    certificate: Certificate | None,
    say: Say,
) -> dict[str, Any]:
    streams = options.streams
    say(f"pump: {streams} streams for {options.seconds:g} s")
    now_ns = clock.utc_ns()
    if options.unique_media_bytes:
        media.evict()
        programmes = [media.programme(n, streams, epoch_ns=now_ns) for n in range(streams)]
    else:
        # Streams begin all over the clip: each has another epoch in the last passes of the loop.
        spread = [(60_000 + n * 7919 % (CLIP_SECONDS * 1000)) * 10**6 for n in range(streams)]
        programmes = [media.programme(n, epoch_ns=now_ns - ago) for n, ago in enumerate(spread)]
    wanted = streams * (streams / STARTS_PER_SECOND + SETTLE_SECONDS + options.seconds)
    if options.unique_media_bytes and media.unique_seconds < wanted:
        gigabytes = wanted * media.mbps / 8e3
        say(
            f"{gigabytes:.1f} GB of unique media would last to the end; with less, some of it is "
            "sent a second time, from the page cache"
        )
    ca_file = str(certificate.file) if certificate is not None else None
    with LoadedPump(directory, ca_file) as pump:
        pump.start(receiver.address, programmes)
        limit = 30 + streams / STARTS_PER_SECOND
        wait_for_publishers(receiver, streams, limit, lambda: pump.is_alive)
        time.sleep(SETTLE_SECONDS)
        pump.clear_lateness()
        read_before = read_from_disk(pump.pid)
        found = measure(receiver, [pump.pid], streams, options.seconds)
        read_mb = (read_from_disk(pump.pid) - read_before) / 1e6
        return {
            **found,
            "late_ms": pump.lateness(),
            "disk_mb_per_second": round(read_mb / options.seconds, 1),
        }


def _wait_until_empty(receiver: Receiver) -> None:
    for _ in range(100):
        if receiver.read().connections == 0:
            return
        time.sleep(0.1)
