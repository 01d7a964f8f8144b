"""Loaded before any test, and so before the folder `playout` could pass for the package.

pytest names a test by its path, `playout.tests.unit.…`, and would import the project folder
`playout` as a namespace on its way. Once the engine is imported, that name is taken.
"""

import logging
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import playout.clock  # noqa: F401

_BEFORE = pytest.StashKey[dict[str, dict[object, object]]]()

# How fast an example runs depends on what else the machine does; whether it holds does not.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

# A shell that starts us in the background has both ignored, and what is ignored is inherited by the
# programs whose answer to a signal is tested.
for number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(
            number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        )


def _shared_state() -> dict[str, dict[object, object]]:
    """What belongs to the whole process, and would change what comes after."""
    loggers = {
        name: log.level
        for name, log in logging.root.manager.loggerDict.items()
        if isinstance(log, logging.Logger)
    }
    return {
        "logging": {**loggers, "disable": logging.root.manager.disable},
        "environment": {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
        "working directory": {"path": Path.cwd()},
        # SIGALRM is the runner's own: it ends a test that takes too long.
        "signal handlers": {
            number: signal.getsignal(number) for number in signal.valid_signals() - {signal.SIGALRM}
        },
    }


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Remember what the process is like before a test."""
    item.stash[_BEFORE] = _shared_state()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """A test that leaves its process changed fails itself, and not a later one by chance."""
    answer = yield
    after = _shared_state()
    for what, was in item.stash[_BEFORE].items():
        now = after[what]
        changed = {
            key: (value, now.get(key)) for key, value in was.items() if value != now.get(key)
        }
        if changed:
            pytest.fail(f"The {what} of the process was left changed: {changed}")
    return answer
