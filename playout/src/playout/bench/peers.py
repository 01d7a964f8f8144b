"""What the pump is compared with: ffmpeg copying the same clip, and the bare C sender."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from playout.bench.certificate import Certificate
from playout.bench.child import Child
from playout.bench.media import Media, Say, ffmpeg_program
from playout.bench.receiver import Receiver
from playout.bench.usage import Usage, read_usage
from playout.errors import PlayoutError

FFMPEG_PROCESSES = 20
"""More would only slow the machine down; the cost of one does not depend on their number."""
SETTLE_SECONDS = 3.0
"""Between the start of the last stream and the first reading: leads and start-up do not count."""

Figures = dict[str, float | int]


def measure(receiver: Receiver, pids: Sequence[int], streams: int, seconds: float) -> Figures:
    """Read the processes now and after `seconds`; costs for each stream (see `figures`)."""
    before, bytes_before = read_usage(*pids), receiver.read().bytes
    time.sleep(seconds)
    after, seen = read_usage(*pids), receiver.read()
    if seen.publishing < streams:
        raise PlayoutError(
            f"Only {seen.publishing} of {streams} streams were still publishing at the end.",
            advice="Measure with fewer streams.",
        )
    return figures(before, after, seen.bytes - bytes_before, streams)


def figures(before: Usage, after: Usage, received_bytes: int, streams: int) -> Figures:
    """Milliseconds of CPU for each second of a stream, memory and rate of each."""
    seconds = (after.at_ns - before.at_ns) / 1e9
    cpu_ms = (after.cpu_seconds - before.cpu_seconds) * 1000
    return {
        "cpu_ms_per_stream_second": round(cpu_ms / seconds / streams, 4),
        "private_kb_per_stream": round(after.private_kb / streams, 1),
        "mbps_per_stream": round(received_bytes * 8 / 1e6 / seconds / streams, 3),
    }


def wait_for_publishers(
    receiver: Receiver, streams: int, seconds: float, alive: Callable[[], bool]
) -> None:
    """Wait until `streams` sessions publish; raises `PlayoutError` when they do not."""
    for _ in range(int(seconds * 10)):
        if receiver.read().publishing >= streams:
            return
        if not alive():
            break
        time.sleep(0.1)
    raise PlayoutError(f"Only {receiver.read().publishing} of {streams} streams began to publish.")


def measure_ffmpeg(
    receiver: Receiver, media: Media, streams: int, seconds: float, say: Say
) -> Figures:
    """`ffmpeg -re -stream_loop -1 -c copy`, one process for each stream, 20 at most."""
    count = min(streams, FFMPEG_PROCESSES)
    say(f"ffmpeg: {count} processes for {seconds:g} s")
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(count):
            processes.append(
                subprocess.Popen(
                    [ffmpeg_program(), "-nostdin", "-v", "fatal", "-re", "-stream_loop", "-1",
                     "-i", str(media.file), "-c", "copy", "-f", "flv",
                     f"{receiver.address}/peer-{number}"],
                    stdin=subprocess.DEVNULL,
                )
            )  # fmt: skip
            # A herd of starting processes would delay those that run already.
            time.sleep(0.05)

        def alive() -> bool:
            return all(process.poll() is None for process in processes)

        wait_for_publishers(receiver, count, 30, alive)
        time.sleep(SETTLE_SECONDS)
        found = measure(receiver, [process.pid for process in processes], count, seconds)
        return {"streams": count, **found}
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure_sender(
    program: Path, receiver: Receiver, wire: Path, schedule: Path, streams: int, seconds: float,
    *, tick_ms: int, lead_ms: int, certificate: Certificate | None, say: Say,
) -> Figures:  # fmt: skip
    """The bare C sender: the same bytes on the same schedule."""
    say(f"C sender: {streams} streams for {seconds:g} s")
    command = [str(program), str(receiver.port), str(streams), str(wire), str(schedule)]
    command += [str(tick_ms), str(lead_ms // tick_ms)]
    command += [str(certificate.file)] if certificate is not None else []
    with Child("C sender", command) as sender:
        if sender.hear() != "ready":
            raise PlayoutError("The C sender could not publish.")
        time.sleep(SETTLE_SECONDS)
        return {"streams": streams, **measure(receiver, [sender.pid], streams, seconds)}
