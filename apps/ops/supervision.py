"""Children of one supervisor: started in order, restarted with back-off, stopped in reverse.

Linux only. The supervisor has one thread and waits for signals; a child is a fork that runs one
function, so that what the supervisor imported is shared by all until somebody writes to it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_LOG_LIMIT_BYTES = 10 << 20


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process to keep running."""

    name: str
    run: Callable[[], object]
    """Called in the child; may `exec`. Returning ends the process with status 0."""
    log: Path
    grace_s: float = 10.0
    """How long it may take to end after SIGTERM before its process group is killed."""
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    keeps_children: bool = False
    """Its own children outlive it: they are left alone until the supervisor stops."""


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    pid: int = 0
    started_at: float = 0.0
    start_at: float = 0.0
    """When to start it again, on the monotonic clock; meaningful while `pid` is 0."""
    delay_s: float = 0.0
    restarts: int = 0


class Supervisor:
    """Keeps children running until it is told to stop.

        with Supervisor(say=print) as supervisor:
            supervisor.start(ChildSpec("web", serve, log))
            supervisor.run()          # until SIGTERM or SIGINT; then stops all, last one first

    Raises:
        Stopped: from `wait_until`, when a signal asked to stop meanwhile.
    """

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self._say = say
        self._children: list[_Child] = []
        self._stopping = False
        self._old_mask: set[int] = set()

    def __enter__(self) -> Supervisor:
        self._old_mask = {int(one) for one in signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)}
        # Grandchildren whose parent died come to us instead of escaping.
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        gc.collect()
        gc.freeze()  # a collection in a child would otherwise write to every shared page
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._old_mask)

    @property
    def is_stopping(self) -> bool:
        """A signal asked to stop."""
        return self._stopping

    def start(self, spec: ChildSpec) -> None:
        """Start a child and keep it running from now on."""
        child = _Child(spec)
        self._children.append(child)
        self._fork(child)

    def pids(self) -> dict[str, int]:
        """Process ids of children that run now."""
        return {child.spec.name: child.pid for child in self._children if child.pid}

    def call(self, function: Callable[[], object]) -> int:
        """Run `function` in a child of its own and return its exit status; others are kept alive.

        Raises:
            Stopped: a signal asked to stop; the child was killed.
        """
        status: list[int] = []
        pid = _fork(function, name="setup", log=None)
        while not status:
            self._tick(0.2, lambda ended, code: status.append(code) if ended == pid else None)
            if self._stopping:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                raise Stopped
        return status[0]

    def wait_until(
        self, is_so: Callable[[], bool], timeout_s: float, *, poll_s: float = 0.1
    ) -> bool:
        """Keep the children alive until `is_so()`; False when `timeout_s` passed first.

        Raises:
            Stopped: a signal asked to stop.
        """
        deadline = time.monotonic() + timeout_s
        while not is_so():
            if self._stopping:
                raise Stopped
            if time.monotonic() > deadline:
                return False
            self._tick(poll_s)
        return True

    def run(self) -> None:
        """Keep the children alive until SIGTERM or SIGINT."""
        while not self._stopping:
            self._tick(5.0)

    def stop(self) -> None:
        """End all children, the last started first; each gets its grace, then SIGKILL."""
        self._stopping = True
        for child in reversed(self._children):
            if child.pid:
                self._end(child)
        self._children.clear()
        # What is left are grandchildren that outlived their parents.
        for pid in _children_of(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while _children_of(os.getpid()) and time.monotonic() < deadline:
            _reap()
            time.sleep(0.05)
        for pid in _children_of(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap()

    def _tick(self, timeout_s: float, ended: Callable[[int, int], object] | None = None) -> None:
        """Wait for a signal or a due restart, at most `timeout_s`; then see to both."""
        now = time.monotonic()
        due = [child.start_at for child in self._children if not child.pid]
        wait_s = min([timeout_s, *(max(0.0, at - now) for at in due)])
        received = signal.sigtimedwait(_SIGNALS, wait_s)
        if received is not None and received.si_signo != signal.SIGCHLD:
            self._stopping = True
        for pid, status in _reap():
            if ended is not None:
                ended(pid, status)
            for child in self._children:
                if child.pid == pid:
                    self._note_end(child, status)
        if self._stopping:
            return
        for child in self._children:
            if not child.pid and child.start_at <= time.monotonic():
                self._fork(child)

    def _fork(self, child: _Child) -> None:
        child.pid = _fork(child.spec.run, name=child.spec.name, log=child.spec.log)
        child.started_at = time.monotonic()

    def _note_end(self, child: _Child, status: int) -> None:
        spec = child.spec
        if not spec.keeps_children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        child.pid = 0
        lived_s = time.monotonic() - child.started_at
        if lived_s > 30 or not child.delay_s:
            child.delay_s = spec.first_delay_s
        else:
            child.delay_s = min(child.delay_s * 2, spec.longest_delay_s)
        child.start_at = time.monotonic() + child.delay_s
        child.restarts += 1
        if not self._stopping:
            ended = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
            self._say(
                f"{spec.name} {ended}; starting it again in {child.delay_s:g} s (see {spec.log})"
            )

    def _end(self, child: _Child) -> None:
        pid, spec = child.pid, child.spec
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + spec.grace_s
        while child.pid:
            left = deadline - time.monotonic()
            if left <= 0:
                self._say(f"{spec.name} did not end within {spec.grace_s:g} s and is killed")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                deadline = time.monotonic() + 5
            received = signal.sigtimedwait(_SIGNALS, min(max(left, 0.0), 0.2))
            if received is not None and received.si_signo == signal.SIGINT:
                deadline = time.monotonic()  # Ctrl-C a second time: no more patience
            for ended, status in _reap():
                for other in self._children:
                    if other.pid == ended:
                        self._note_end(other, status)
        if not spec.keeps_children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


class Stopped(Exception):
    """A signal asked the supervisor to stop."""


def executing(command: Sequence[str | Path], **environment: str) -> Callable[[], None]:
    """A `run` that replaces the child by a program; `environment` is added to our own."""

    def run() -> None:
        words = [str(word) for word in command]
        os.execve(words[0], words, {**os.environ, **environment})  # noqa: S606

    return run


def _fork(function: Callable[[], object], *, name: str, log: Path | None) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        _be_the_child(function, parent, name, log)
    return pid


def _be_the_child(
    function: Callable[[], object], parent: int, name: str, log: Path | None
) -> NoReturn:
    status = 1
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        _prctl(_PR_SET_NAME, f"streamer-{name}"[:15].encode())  # what ps and top show
        if os.getppid() != parent:  # it died before we could ask for the signal
            os._exit(1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        atexit._clear()  # noqa: SLF001 - what the supervisor registered is the supervisor's to run
        if log is not None:
            _write_output_to(log)
        function()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
    except KeyboardInterrupt:
        status = 130
    except BaseException:  # noqa: BLE001 - the last frame of a process: it must not unwind further
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()  # noqa: SLF001 - os._exit would leave them out
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _write_output_to(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    os.close(nothing)


def _reap() -> Iterator[tuple[int, int]]:
    """Every child that has ended since, with its exit status (negative: killed by that signal)."""
    ended: list[tuple[int, int]] = []
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            ended.append((pid, os.waitstatus_to_exitcode(status)))
    return iter(ended)


def _children_of(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _prctl(option: int, value: int | bytes) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")
