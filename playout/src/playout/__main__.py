"""`python -m playout` is the `playout` command."""

import sys

from playout.cli import main

sys.exit(main())
