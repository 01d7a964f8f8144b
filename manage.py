#!/usr/bin/env python
"""Run one of the project's management commands."""

import os
import sys

from config import first_run


def main() -> None:
    """Hand the command line to Django; `up` first writes its own settings if there are none."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["up"] and not {"-h", "--help"} & set(sys.argv):
        first_run.settle(os.environ)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
