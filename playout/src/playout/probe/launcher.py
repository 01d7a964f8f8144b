"""Limits itself, then becomes another program. Needs nothing but the standard library.

Called by path as `launcher.py LIMITS PROGRAM ARGUMENT…`, LIMITS being a JSON object. What it
sets stays over exec: resource limits, niceness, no core dumps, no network where the kernel lets
us, and a signal that kills it when its parent dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def main() -> None:
    """Apply the limits and exec; does not return."""
    limits = json.loads(sys.argv[1])
    for name, value in limits["resources"].items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))
    with contextlib.suppress(OSError):
        os.nice(limits["nice"])
    libc = ctypes.CDLL(None, use_errno=True)
    # Best effort: containers often forbid it. Root needs no new user name space, and would lose
    # the right to read the files of others in one.
    libc.unshare(CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # After unshare, which clears it.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != limits["parent"]:
        sys.exit("The parent died before its child began.")
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606


if __name__ == "__main__":
    main()
