"""The supervisor over real children; each case runs in a process of its own, since it reaps all."""

import itertools
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).resolve().parents[3]

PREAMBLE = """
import os, signal, sys, time
from pathlib import Path
from apps.ops.supervision import ChildSpec, Stopped, Supervisor, executing
home = Path(sys.argv[1])
def say(line): print(line, flush=True)
def sleeper(name, **more):
    def run():
        # Waited for, not handled: a handler that runs just before a sleep does not shorten it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        (home / name).write_text(str(os.getpid()))
        signal.sigwait({signal.SIGTERM})
        with (home / "order").open("a") as order: order.write(name + "\\n")
    return ChildSpec(name, run, home / f"{name}.log", **more)
"""


@pytest.fixture
def supervise(tmp_path):
    running = []

    def begin(script):
        process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(script), str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def pid_of(path, *, other_than=0):
    def written():
        text = path.read_text() if path.exists() else ""
        return int(text) if text and int(text) != other_than else 0

    return wait_until(written, f"{path.name} was not started")


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_children_end_in_reverse_order(supervise, tmp_path):
    process = supervise("""
        with Supervisor(say=say) as s:
            for name in "abc":
                s.start(sleeper(name))
            s.run()
    """)
    pids = [pid_of(tmp_path / name) for name in "abc"]
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert (tmp_path / "order").read_text().split() == ["c", "b", "a"]
    assert not any(map(is_alive, pids))


def test_a_killed_child_is_back(supervise, tmp_path):
    process = supervise("""
        with Supervisor(say=say) as s:
            s.start(sleeper("a", first_delay_s=0.1))
            s.run()
    """)
    first = pid_of(tmp_path / "a")
    os.kill(first, signal.SIGKILL)
    second = pid_of(tmp_path / "a", other_than=first)
    assert is_alive(second)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert "was killed by signal 9" in process.stdout.read()


def test_a_child_that_keeps_failing_is_tried_ever_more_slowly(supervise, tmp_path):
    process = supervise("""
        def fail():
            with (home / "tries").open("a") as f: f.write(f"{time.monotonic()}\\n")
            sys.exit(3)
        with Supervisor(say=say) as s:
            s.start(ChildSpec("a", fail, home / "a.log", first_delay_s=0.1, longest_delay_s=0.4))
            tries = home / "tries"
            s.wait_until(lambda: tries.exists() and tries.read_text().count("\\n") == 5, 60)
    """)
    assert process.wait(PATIENCE_SECONDS) == 0
    tries = [float(line) for line in (tmp_path / "tries").read_text().split()]
    said = process.stdout.read()
    assert "ended with 3" in said
    delays = [float(seconds) for seconds in re.findall(r"again in ([0-9.]+) s", said)]
    assert delays[:4] == [0.1, 0.2, 0.4, 0.4]
    for (earlier, later), delay in zip(itertools.pairwise(tries), delays, strict=False):
        assert later - earlier >= delay


def test_a_stubborn_child_is_killed_after_its_grace(supervise, tmp_path):
    process = supervise("""
        def stubborn():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            (home / "a").write_text(str(os.getpid()))
            while True: time.sleep(60)
        with Supervisor(say=say) as s:
            s.start(ChildSpec("a", stubborn, home / "a.log", grace_s=0.5))
            s.run()
    """)
    pid = pid_of(tmp_path / "a")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not is_alive(pid)


def test_children_do_not_outlive_a_killed_supervisor(supervise, tmp_path):
    process = supervise("""
        with Supervisor(say=say) as s:
            s.start(sleeper("a"))
            s.run()
    """)
    pid = pid_of(tmp_path / "a")
    process.kill()
    wait_until(lambda: not is_alive(pid), f"{pid} still runs")


PARENT = """
    def parent():
        pid = os.fork()
        if not pid:
            os.setsid()
            (home / "grandchild").write_text(str(os.getpid()))
            while True: time.sleep(60)
        (home / "a").write_text(str(os.getpid()))
        while True: time.sleep(60)
    with Supervisor(say=say) as s:
        s.start(ChildSpec("a", parent, home / "a.log", keeps_children=True, first_delay_s=0.1))
        s.run()
"""


def test_a_pump_outlives_its_control_but_not_the_supervisors_stop(supervise, tmp_path):
    process = supervise(PARENT)
    grandchild, first = pid_of(tmp_path / "grandchild"), pid_of(tmp_path / "a")
    os.kill(first, signal.SIGKILL)
    pid_of(tmp_path / "a", other_than=first)
    assert is_alive(grandchild)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not is_alive(grandchild)


def test_a_call_gives_its_exit_status_and_does_not_unwind_the_supervisor(supervise):
    process = supervise("""
        with Supervisor(say=say) as s:
            say(str(s.call(lambda: None)))
            say(str(s.call(lambda: sys.exit(7))))
            def broken(): raise ValueError("expected by the test")
            say(str(s.call(broken)))
        say("left once")
    """)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert process.stdout.read().split("\n")[:4] == ["0", "7", "1", "left once"]


def test_a_signal_during_start_up_stops_everything(supervise, tmp_path):
    process = supervise("""
        try:
            with Supervisor(say=say) as s:
                s.start(sleeper("a"))
                s.wait_until(lambda: False, 60)
        except Stopped:
            say("stopped")
    """)
    pid = pid_of(tmp_path / "a")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not is_alive(pid)
    assert "stopped" in process.stdout.read()


def test_a_program_gets_its_environment_and_its_log(supervise, tmp_path):
    process = supervise("""
        with Supervisor(say=say) as s:
            s.start(ChildSpec("a", executing(["/bin/sh", "-c", "echo $WORD; sleep 60"], WORD="hi"),
                              home / "a.log"))
            log = home / "a.log"
            if s.wait_until(lambda: log.exists() and "hi" in log.read_text(), 60):
                say("seen")
    """)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert "seen" in process.stdout.read()
    assert (tmp_path / "a.log").stat().st_mode & 0o077 == 0
