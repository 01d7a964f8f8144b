"""One process that fights for leases: run by test_lease_races with the settings of a database.

    python contender.py NODE MODE LIMIT CONTACT_SECONDS

It prints `ready`, waits for a line on stdin, then works until a round brings nothing, and prints
its answers as one JSON line.
"""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.db import connection  # noqa: E402

from apps.streaming import lease  # noqa: E402


def main():
    node, mode, limit, contact = sys.argv[1:]
    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    answers = []
    empty = 0
    if mode == "claim":
        while empty < 3:
            won = lease.claim(
                node=node, limit=int(limit), contact=timedelta(seconds=float(contact))
            )
            answers += [(str(held.output_id), held.token) for held in won]
            empty = 0 if won else empty + 1
    else:
        for _ in range(10):
            answers = [(str(held.output_id), held.token) for held in lease.renew(node=node)]
    print(json.dumps(answers), flush=True)


main()
