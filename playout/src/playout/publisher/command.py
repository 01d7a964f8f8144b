"""`playout air`: put prepared tracks on air from the shell."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import shutil
import signal
import ssl
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from playout import clock
from playout.errors import (
    AddressInvalid,
    IngestTimeout,
    PlayoutError,
    ProgrammeError,
    TracksDisagree,
)
from playout.lines import LineHandler, LineWriter, printable, shortened
from playout.media import TrackKind
from playout.publisher import programme_file
from playout.publisher.address import Address, parse_address
from playout.publisher.output import Output, OutputOptions
from playout.publisher.programme_file import Lists
from playout.publisher.transport import tls_context
from playout.pump.aired import Substitution
from playout.pump.prefetch import Prefetch
from playout.pump.shelf import Shelf
from playout.pump.wheel import Wheel
from playout.timebase import frame_at_ns, frame_ms
from playout.timeline import edits
from playout.timeline.programme import Programme

KEY_VARIABLE = "PLAYOUT_KEY"
_STATUS_SECONDS = 1.0
_LAST_WORDS_SECONDS = 2.0
"""Whoever reads what we say has so long to take the rest of it."""
_CONNECT_SECONDS = 1.0
"""A programme whose epoch is to come connects so long before it."""
_LONGEST_SECONDS = 100 * 366 * 24 * 3600
_EDIT_LEAD_MS = 3000
"""An edit takes effect no sooner, well behind what has been sent already."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `playout air`."""
    parser.add_argument("items", nargs="*", type=Path, metavar="DIR", help="prepared tracks")
    parser.add_argument(
        "--to", required=True, action="append", metavar="URL",
        help="rtmp:// or rtmps:// address; once for each destination",
    )  # fmt: skip
    parser.add_argument("--programme", type=Path, metavar="FILE.toml", help="items from a file")
    parser.add_argument("--loop", action="store_true", help="begin again after the last item")
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="stop after N seconds")
    parser.add_argument(
        "--audio", nargs="+", type=Path, default=[], metavar="DIR", help="loop these as sound"
    )
    parser.add_argument(
        "--at", choices=("item", "key"), default="item",
        help="an edit of the file takes over where an item ends, or at the next key frame",
    )  # fmt: skip
    parser.add_argument(
        "--key-file", type=Path, action="append", metavar="FILE",
        help="read the stream key there; once for each --to, in the same order",
    )  # fmt: skip
    parser.add_argument("--key-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ca-file", metavar="FILE", help="trust these certificates instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object per event")


def _seconds(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds") from None
    if not 0 < value <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError("must be more than 0, and no more than a century")
    return value


def run(args: argparse.Namespace) -> int:
    """Put the programme on air; 0 when it ended as asked somewhere, 1 when it never got there.

    2 when the destinations are none, or do not go together.
    """
    if bool(args.items) == (args.programme is not None):
        neither = ProgrammeError("Give either tracks (DIR...) or --programme FILE.toml.", advice="")
        return _refused(neither, args, status=2)
    try:
        keys = _keys(args)
        try:
            addresses = _addresses(args.to, keys)
            _refuse_one_twice(addresses)
        except AddressInvalid as error:
            return _refused(error, args, status=2)
        lists, programme = load_lists(args), load_programme(args)
        tls = _tls(args.ca_file) if any(address.tls for address in addresses) else None
    except PlayoutError as error:
        return _refused(error, args, status=1)
    return asyncio.run(_air(addresses, lists, programme, tls, args))


def _refused(error: PlayoutError, args: argparse.Namespace, *, status: int) -> int:
    """Say why it does not begin, to people and to a program that reads the events."""
    sys.stderr.write(f"playout air: {error}\n")
    if args.json:
        lines = LineWriter(1)
        said = {"event": "failed", "text": str(error), "code": error.code}
        lines.write(json.dumps(said) + "\n")
        lines.flush(_LAST_WORDS_SECONDS)
    return status


def _tls(ca_file: str | None) -> ssl.SSLContext:
    try:
        return tls_context(ca_file)
    except OSError as error:  # what OpenSSL says is one of them
        reason = (
            error.strerror if not isinstance(error, ssl.SSLError) else "it holds no certificate"
        )
        raise AddressInvalid(
            f"The file of certificates {ca_file} cannot be used: {reason}.",
            advice="Give --ca-file a PEM file of the authorities to trust.",
        ) from error


def _keys(args: argparse.Namespace) -> list[str] | None:
    """The keys that come beside the addresses; raises `AddressInvalid` for a file that is none."""
    if args.key_fd is not None:
        with os.fdopen(args.key_fd) as file:
            return file.read().split("\n")
    if args.key_file:
        return [_key_in(path) for path in args.key_file]
    if os.environ.get(KEY_VARIABLE):
        return os.environ[KEY_VARIABLE].split("\n")
    return None


def _addresses(urls: list[str], keys: list[str] | None) -> list[Address]:
    """Where to publish, each with its key; raises `AddressInvalid` when they do not go together."""
    if keys is None:
        found = [parse_address(url) for url in urls]
        _hide_keys(urls, [address.key for address in found])
        return found
    if len(keys) != len(urls):
        raise AddressInvalid(
            f"There are {len(urls)} destinations and {len(keys)} stream keys.",
            advice="Give one --key-file for each --to, in the same order.",
        )
    return [parse_address(url, key) for url, key in zip(urls, keys, strict=True)]


def _refuse_one_twice(addresses: list[Address]) -> None:
    """Two publishers of one key would throw each other out for ever, or garble the broadcast."""
    known: dict[tuple[str, int, str, str], int] = {}
    for number, address in enumerate(addresses, start=1):
        # Ingests take what follows a question mark as parameters of the same stream.
        app, key = address.app.partition("?")[0].strip("/"), address.key.partition("?")[0]
        first = known.setdefault((address.host, address.port, app, key), number)
        if first != number:
            raise AddressInvalid(
                f"Destinations {first} and {number} are one and the same: {_name_of(address)} "
                "with the same stream key.",
                advice="Name it once, or give one of them a key of its own.",
            )


def _key_in(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no text"
        raise AddressInvalid(
            f"The key file {path} cannot be read: {reason}.",
            advice="Give a file that holds the stream key and nothing else.",
        ) from error


def _hide_keys(urls: list[str], keys: list[str]) -> None:
    """Begin again without the keys among the arguments, where every user could read them."""
    descriptor = os.memfd_create("stream-keys", 0)
    os.write(descriptor, "\n".join(keys).encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    bare = {
        url: url.removesuffix(key).removesuffix("/") for url, key in zip(urls, keys, strict=True)
    }
    # Also behind the equals sign of an option, which may be written shorter than it is.
    bare |= {f"={url}": f"={short}" for url, short in bare.items()}
    arguments = []
    for argument in sys.argv[1:]:
        option, equals, value = argument.partition("=")
        if argument.startswith("-") and equals:
            arguments.append(option + bare.get(equals + value, equals + value))
        else:
            arguments.append(bare.get(argument, argument))
    if any(argument.endswith(url) for argument in arguments for url in urls) or (
        sys.argv[1:2] != ["air"]
    ):
        os.close(descriptor)
        return
    command = [sys.executable, "-m", "playout", "air", "--key-fd", str(descriptor), *arguments[1:]]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted


def load_lists(args: argparse.Namespace) -> Lists:
    """What the arguments want played; raises `ProgrammeError` when they contradict each other."""
    if args.programme is None:
        return programme_file.of_paths(args.items, args.audio, loop=args.loop)
    if args.items:
        raise ProgrammeError("Give tracks or a programme file, not both.", advice="")
    lists = programme_file.read(args.programme, loop=args.loop)
    if args.audio:
        audio = programme_file.of_paths([], args.audio, loop=True).audio
        lists = replace(lists, audio=audio)
    return lists


def load_programme(args: argparse.Namespace) -> Programme:
    """The programme that the arguments describe; without an epoch of its own it begins now.

    Raises `ProgrammeError` or `TrackError` when it cannot be played.
    """
    lists = load_lists(args)
    epoch_ns = clock.utc_ns() if lists.epoch_ns is None else lists.epoch_ns
    return programme_file.programme(lists, epoch_ns=epoch_ns)


class _Edits:
    """The programme file of what is on air: read again when it changes or a signal comes."""

    def __init__(self, args: argparse.Namespace, lists: Lists, outputs: list[Output]) -> None:
        self._args = args
        self._lists = lists
        self._outputs = outputs
        self._asked = False
        self._seen = self._state()

    def _state(self) -> tuple[int, int, int] | None:
        try:
            status = self._args.programme.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def ask(self) -> None:
        """Read it again soon, whether it has changed or not."""
        self._asked = True

    async def follow(self, console: _Console) -> None:
        """Put what has changed on air, on the same connection; an unreadable file changes nothing.

        A file that is gone for a moment is one that is being replaced.
        """
        state = self._state()
        if not self._asked and (state is None or state == self._seen):
            return
        self._asked, self._seen = False, state
        before = self._outputs[0].programme
        try:
            await self._take()
        except PlayoutError as error:
            console.edit_refused(error)
        else:
            console.edited(self._outputs[0], before)

    async def _take(self) -> None:
        output, args = self._outputs[0], self._args
        lists = await asyncio.to_thread(load_lists, args)
        if lists.epoch_ns != self._lists.epoch_ns:
            raise ProgrammeError(
                "The epoch of a programme on air cannot change.",
                advice="Put the old one back into the file, or start again.",
            )
        wanted = await asyncio.to_thread(
            programme_file.programme, lists, epoch_ns=output.programme.epoch_ns
        )
        if wanted.profile != output.programme.profile:
            raise TracksDisagree(
                f"The programme on air is {output.programme.profile}, "
                f"the file wants {wanted.profile}."
            )
        now_ms = max(0, output.now_ms())
        rate = output.programme.video_rate
        at_frame = frame_at_ns((now_ms + _EDIT_LEAD_MS) * 1_000_000, rate)
        programme = edits.towards(output.programme, wanted, at_frame=at_frame, at=args.at)
        for each in self._outputs:
            each.replace_programme(programme)
        self._lists = lists


class _Console:
    """Tells a person, or a program, what the output to destination `number` of `names` is doing."""

    def __init__(
        self, lines: LineWriter, *, as_json: bool, names: Sequence[str], number: int
    ) -> None:
        self._lines = lines
        self._json = as_json
        self._destination = destination = names[number - 1]
        self._number = number
        self._prefix = f"{destination}: " if len(names) > 1 else ""
        if names.count(destination) > 1:
            self._prefix = f"{destination} ({number}): "
        self.was_on_air = False
        self.failure: PlayoutError | None = None

    def connecting(self) -> None:
        self._say("connecting", "Connecting …")

    def acknowledged(self) -> None:
        self.was_on_air = True
        self.failure = None
        self._say("on_air", "On air: the ingest acknowledges what we send.")

    def slow(self) -> None:
        self._say("degraded", "The ingest takes less than it should.")

    def lost(self, error: PlayoutError, retry_seconds: float) -> None:
        self.failure = error
        self._say(
            "lost",
            f"{error} Next attempt in {retry_seconds:.1f} s.",
            code=error.code,
            retry_seconds=round(retry_seconds, 1),
        )

    def missing(self, error: PlayoutError) -> None:
        # It is looked for each second.
        if self.failure is None or self.failure.code != error.code:
            self._say("missing", str(error), code=error.code)
        self.failure = error

    def wrong(self, error: PlayoutError) -> None:
        self.failure = error
        self._say("failed", str(error), code=error.code)

    def too_late(self, seconds: Fraction) -> None:
        """The time is over, and nothing was ever on air."""
        if self.failure is None:
            self.failure = IngestTimeout(
                f"{self._destination} did not let the stream begin in {float(seconds):g} seconds.",
                advice="Check the address and the port.",
            )

    def ended(self) -> None:
        """The summary follows at once; nothing to say here."""

    def substituted(self, substitution: Substitution) -> None:
        error, what = substitution.error, substitution
        place = f"item {what.filled_by} ({what.rung.value})" if what.filled_by else "silence"
        self._say(
            "substituted",
            f"{what.kind.value.capitalize()} of item {what.item_id} is left out: {error} "
            f"In its place: {place}.",
            code=error.code,
            item=what.item_id,
            kind=what.kind.value,
            rung=what.rung.value,
            filled_by=what.filled_by,
            begin=what.begin,
            end=what.end,
        )

    def restored(self, kind: TrackKind, item_id: str, title: str) -> None:
        self._say(
            "restored",
            f"{kind.value.capitalize()} of item {item_id} is played as planned again.",
            item=item_id,
            kind=kind.value,
        )

    def edited(self, output: Output, before: Programme) -> None:
        """Say what of it is another one than `before`, and from when on."""
        after = output.programme
        version = after.versions[-1]
        values: dict[str, Any] = {
            "version": version.n,
            "effective_from": version.effective_from,
            "items": len(version.items),
        }
        changes = []
        if version != before.versions[-1]:
            when = _when(output, version.effective_from, after.video_rate)
            changes.append(f"version {version.n} is on air {when}")
        if after.is_radio:
            sound = after.sound_versions[-1]
            values["sound"] = {
                "version": sound.n,
                "effective_from": sound.effective_from,
                "items": len(sound.sounds),
            }
            if not before.is_radio:
                changes.append("the sound is a list of its own at once")
            elif sound != before.sound_versions[-1]:
                when = _when(output, sound.effective_from, after.audio_rate)
                changes.append(f"version {sound.n} of the sound is on air {when}")
        elif before.is_radio:
            changes.append("each item has its own sound again at once")
        if after.filler != before.filler:
            changes.append("the filler is another one at once")
        what = ", ".join(changes) or "nothing in it has changed"
        self._say("edited", f"The programme was read again; {what}.", **values)

    def edit_refused(self, error: PlayoutError) -> None:
        self._say(
            "edit_refused", f"{error} The programme on air goes on unchanged.", code=error.code
        )

    def status(self, output: Output) -> None:
        progress, (now, following) = output.progress, output.now_and_next()
        if progress is None or not progress.acknowledged or now is None:
            return
        seconds = max(0, output.now_ms()) // 1000
        clock_text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        shown, comes = now.item.title, following.item.title if following is not None else ""
        values: dict[str, Any] = {"item": shown}
        heard, heard_next = output.heard_and_next()
        if heard is not None:
            # Pictures under songs may be the same for days.
            values["sound"] = heard.title
            shown = f"{heard.title}  over {shown}"
            comes = heard_next.title if heard_next is not None else ""
        self._say(
            "status",
            f"{clock_text}  {shown}  {progress.kbps} kbit/s"
            + (f"  next: {comes}" if comes else ""),
            seconds=seconds,
            kbps=progress.kbps,
            bytes_acked=progress.bytes_acked,
            quiet=True,
            **values,
        )

    def summary(self, output: Output) -> None:
        self._say(
            "ended",
            f"Ended after {output.sessions} connection{'s' if output.sessions != 1 else ''}.",
            sessions=output.sessions,
            was_on_air=self.was_on_air,
        )

    def _say(self, event: str, text: str, *, quiet: bool = False, **values: object) -> None:
        if self._json:
            where = {"destination": self._destination, "number": self._number}
            said = {"event": event, "text": text, **where, **values}
            self._lines.write(json.dumps(said) + "\n")
        elif quiet:
            if sys.stderr.isatty():
                columns = shutil.get_terminal_size().columns
                line = shortened(printable(f"{self._prefix}{text}"), columns - 1)
                self._lines.write(f"\r\x1b[K{line}")
        else:
            start = "\r\x1b[K" if sys.stderr.isatty() else ""
            self._lines.write(f"{start}{self._prefix}{text}\n")


def _when(output: Output, frame: int, rate: Fraction) -> str:
    ahead = frame_ms(frame, rate) - output.now_ms()
    return f"in {ahead / 1000:.1f} s" if ahead > 0 else "already"


def _left_out_as_json(count: int) -> str:
    text = f"{count} events were left out here: nobody read them in time."
    return json.dumps({"event": "left_out", "text": text, "count": count}) + "\n"


async def _run_from_epoch(
    output: Output, console: _Console, ahead_ns: int, stopped: asyncio.Event
) -> None:
    """Connect no sooner than the programme has anything to send; say when it has ended."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0, ahead_ns / 1e9 - _CONNECT_SECONDS)):
            await stopped.wait()
    await output.run()
    console.summary(output)


def _name_of(address: Address) -> str:
    """The host of a destination, with its port where that is not the usual one; never the key."""
    return address.tc_url.split("/")[2]


async def _air(
    addresses: list[Address],
    lists: Lists,
    programme: Programme,
    tls: ssl.SSLContext | None,
    args: argparse.Namespace,
) -> int:
    end_frame = None
    rate, ahead_ns = programme.video_rate, 0
    if lists.epoch_ns is not None:
        ahead_ns = programme.epoch_ns - clock.utc_ns()
    if args.seconds is not None:
        end_frame = max(1, int(args.seconds * rate)) + max(0, frame_at_ns(-ahead_ns, rate))
    options = OutputOptions(
        tls=tls,
        # Several destinations share one clock, so that all get the same pictures at the same times.
        start_on_connect=lists.epoch_ns is None and len(addresses) == 1,
        # Whoever opens as far ahead as it sends would leave out a first item shorter than that.
        opens_at=0 if ahead_ns >= 0 else None,
        end_frame=end_frame,
        prefetch=Prefetch(),
    )
    # What the engine itself has to say comes the same way: a write to a full pipe would wait.
    logging.basicConfig(level=logging.WARNING, handlers=[LineHandler(LineWriter(2))])
    shelf, wheel = Shelf(), Wheel(options.pace.tick, crowd=options.pace.crowd)
    lines = LineWriter(1, notice=_left_out_as_json) if args.json else LineWriter(2)
    names = [_name_of(address) for address in addresses]
    consoles = [
        _Console(lines, as_json=args.json, names=names, number=number)
        for number in range(1, len(names) + 1)
    ]
    outputs = [
        Output(address, programme, shelf, console, options=options, wheel=wheel)
        for address, console in zip(addresses, consoles, strict=True)
    ]
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        for output in outputs:
            output.stop()
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    edited = None
    if args.programme is not None:
        edited = _Edits(args, lists, outputs)
        loop.add_signal_handler(signal.SIGHUP, edited.ask)
    running = {
        asyncio.create_task(
            _run_from_epoch(output, console, ahead_ns, stopped), name=f"output {number}"
        ): console
        for number, (output, console) in enumerate(zip(outputs, consoles, strict=True), start=1)
    }
    gc.freeze()
    deadline = None
    if args.seconds is not None:
        deadline = loop.time() + float(args.seconds) + 5 + max(0, ahead_ns / 1e9)
    waiting = set(running)
    while waiting:
        _, waiting = await asyncio.wait(waiting, timeout=_STATUS_SECONDS)
        for output, console in zip(outputs, consoles, strict=True):
            console.status(output)
        if edited is not None and waiting:
            # One that has ended says no more.
            await edited.follow(next(running[task] for task in running if task in waiting))
        if deadline is not None and loop.time() > deadline:
            for output in outputs:
                # Nothing is left to show at a destination that is not there now.
                if output.progress is None or output.progress.connected_ns == 0:
                    output.stop()
            if not any(output.sessions for output in outputs):
                for console in consoles:
                    console.too_late(args.seconds)
                stop()
    await asyncio.gather(*running)
    await asyncio.to_thread(lines.flush, _LAST_WORDS_SECONDS)
    if any(console.failure is None or console.was_on_air for console in consoles):
        return 0
    failure = next(console.failure for console in consoles if console.failure is not None)
    raise failure
