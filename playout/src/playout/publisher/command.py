"""`playout air`: put prepared tracks on air from the shell."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

from playout import clock
from playout.errors import AddressInvalid, PlayoutError, ProgrammeError, TracksDisagree
from playout.media import TrackKind
from playout.publisher.address import Address, parse_address
from playout.publisher.output import Output, OutputOptions
from playout.publisher.transport import tls_context
from playout.pump.aired import Substitution
from playout.pump.prefetch import Prefetch
from playout.pump.shelf import Shelf
from playout.timeline.programme import Item, Programme, Sound, SoundVersion, Version

KEY_VARIABLE = "PLAYOUT_KEY"
_STATUS_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `playout air`."""
    parser.add_argument("items", nargs="*", type=Path, metavar="DIR", help="prepared tracks")
    parser.add_argument("--to", required=True, metavar="URL", help="rtmp:// or rtmps:// address")
    parser.add_argument("--programme", type=Path, metavar="FILE.toml", help="items from a file")
    parser.add_argument("--loop", action="store_true", help="begin again after the last item")
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="stop after N seconds")
    parser.add_argument(
        "--audio", nargs="+", type=Path, default=[], metavar="DIR", help="loop these as sound"
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="read the stream key there")
    parser.add_argument("--key-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ca-file", metavar="FILE", help="trust these certificates instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object per event")


def _seconds(text: str) -> Fraction:
    value = Fraction(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def run(args: argparse.Namespace) -> int:
    """Put the programme on air; 0 when it ended as asked, 1 when it never got there."""
    address = _address(args)
    programme = load_programme(args)
    return asyncio.run(_air(address, programme, args))


def _address(args: argparse.Namespace) -> Address:
    if args.key_fd is not None:
        with os.fdopen(args.key_fd) as file:
            return parse_address(args.to, file.read())
    if args.key_file is not None:
        try:
            return parse_address(args.to, args.key_file.read_text().strip("\r\n"))
        except OSError as error:
            raise AddressInvalid(
                f"The key file {args.key_file} cannot be read: {error.strerror}.",
                advice="Give a file that holds the stream key and nothing else.",
            ) from error
    if os.environ.get(KEY_VARIABLE):
        return parse_address(args.to, os.environ[KEY_VARIABLE])
    address = parse_address(args.to)
    _hide_key(args.to, address.key)
    return address


def _hide_key(url: str, key: str) -> None:
    """Begin again without the key among the arguments, where every user could read it."""
    descriptor = os.memfd_create("stream-key", 0)
    os.write(descriptor, key.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    bare = url.removesuffix(key).removesuffix("/")
    arguments = [
        bare if argument == url else f"--to={bare}" if argument == f"--to={url}" else argument
        for argument in sys.argv[1:]
    ]
    if url in arguments or sys.argv[1:2] != ["air"]:
        os.close(descriptor)
        return
    command = [sys.executable, "-m", "playout", "air", "--key-fd", str(descriptor), *arguments[1:]]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted


def load_programme(args: argparse.Namespace) -> Programme:
    """The programme that the arguments describe.

    Raises `ProgrammeError` or `TrackError` when it cannot be played.
    """
    shelf = Shelf()
    loop = args.loop
    paths = [(path, "") for path in args.items]
    audio = [(path, "") for path in args.audio]
    if args.programme is not None:
        if paths:
            raise ProgrammeError("Give tracks or a programme file, not both.", advice="")
        values = _read_toml(args.programme)
        loop = loop or bool(values.get("loop", False))
        base = args.programme.parent
        paths = _entries(values.get("items"), base, args.programme)
        audio = audio or _entries(values.get("audio", []), base, args.programme)
    if not paths:
        raise ProgrammeError("There is nothing to play.", advice="Name at least one directory.")
    items = []
    video = shelf.track(str(paths[0][0]), TrackKind.VIDEO)
    for number, (path, title) in enumerate(paths, start=1):
        track = shelf.track(str(path), TrackKind.VIDEO)
        if not audio:
            shelf.track(str(path), TrackKind.AUDIO)
        one, other = track.description, video.description
        if (one.rate, one.width, one.height) != (other.rate, other.width, other.height):
            raise TracksDisagree(
                f"{path} was prepared for {one.profile}, {paths[0][0]} for {other.profile}."
            )
        items.append(Item(f"{number}", str(path), str(path), track.frames, title or path.name))
    first_sound = shelf.track(str(audio[0][0] if audio else paths[0][0]), TrackKind.AUDIO)
    sounds = tuple(
        Sound(
            f"{number}",
            str(path),
            shelf.track(str(path), TrackKind.AUDIO).description.content_frames,
            title or path.name,
        )
        for number, (path, title) in enumerate(audio, start=1)
    )
    return Programme(
        epoch_ns=clock.utc_ns(),
        video_rate=video.description.rate,
        audio_rate=first_sound.description.rate,
        versions=(Version(1, 0, tuple(items), loop=loop),),
        sound_versions=(SoundVersion(1, 0, sounds),) if sounds else (),
        profile=video.description.profile,
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProgrammeError(f"The programme file {path} cannot be read: {error}.") from error


def _entries(values: object, base: Path, source: Path) -> list[tuple[Path, str]]:
    try:
        return [
            (base / str(value["path"]), str(value.get("title", "")))
            for value in values  # type: ignore[attr-defined]
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise ProgrammeError(
            f"{source} has no list of items with a path each.",
            advice='Write [[items]] and path = "DIR" for each item.',
        ) from error


class _Console:
    """Tells a person, or a program, what the output is doing."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
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
        self.failure = error
        self._say("missing", str(error), code=error.code)

    def wrong(self, error: PlayoutError) -> None:
        self.failure = error
        self._say("failed", str(error), code=error.code)

    def ended(self) -> None:
        """The summary follows; nothing to say here."""

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

    def status(self, output: Output) -> None:
        progress, (now, following) = output.progress, output.now_and_next()
        if progress is None or not progress.acknowledged or now is None:
            return
        seconds = max(0, output.now_ms()) // 1000
        clock_text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        self._say(
            "status",
            f"{clock_text}  {now.item.title}  {progress.kbps} kbit/s"
            + (f"  next: {following.item.title}" if following is not None else ""),
            seconds=seconds,
            item=now.item.title,
            kbps=progress.kbps,
            bytes_acked=progress.bytes_acked,
            quiet=True,
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
            print(json.dumps({"event": event, "text": text, **values}), flush=True)  # noqa: T201
        elif quiet:
            if sys.stderr.isatty():
                sys.stderr.write(f"\r\x1b[K{text}")
                sys.stderr.flush()
        else:
            start = "\r\x1b[K" if sys.stderr.isatty() else ""
            sys.stderr.write(f"{start}{text}\n")
            sys.stderr.flush()


async def _air(address: Address, programme: Programme, args: argparse.Namespace) -> int:
    console = _Console(as_json=args.json)
    end_frame = None
    if args.seconds is not None:
        end_frame = max(1, int(args.seconds * programme.video_rate))
    options = OutputOptions(
        tls=tls_context(args.ca_file) if address.tls else None,
        start_on_connect=True,
        end_frame=end_frame,
        prefetch=Prefetch(),
    )
    output = Output(address, programme, Shelf(), console, options=options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, output.stop)
    running = asyncio.create_task(output.run(), name="output")
    gc.freeze()
    deadline = None if args.seconds is None else loop.time() + float(args.seconds) + 5
    while not running.done():
        await asyncio.wait((running,), timeout=_STATUS_SECONDS)
        console.status(output)
        if deadline is not None and output.sessions == 0 and loop.time() > deadline:
            output.stop()
    await running
    console.summary(output)
    if console.failure is not None and not console.was_on_air:
        raise console.failure
    return 0 if console.failure is None or console.was_on_air else 1
