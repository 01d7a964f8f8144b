"""Loaded before any test, and so before the folder `playout` could pass for the package.

pytest names a test by its path, `playout.tests.unit.…`, and would import the project folder
`playout` as a namespace on its way. Once the engine is imported, that name is taken.
"""

import signal

from hypothesis import HealthCheck, settings

import playout.clock  # noqa: F401

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
