"""`manage.py doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.ops.examination import examine


class Command(BaseCommand):
    """Examines ffmpeg, fonts, database, broker, cache, storage, clock, disk and credentials."""

    help = "Say what is wrong with this installation and how to mend it."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The form of the answer."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line a part; exit status 1 when something has to be mended."""
        findings = []
        for finding in examine():
            findings.append(finding)
            if not options["json"]:
                mark = ("warn" if finding.mend else "ok  ") if finding.healthy else "BAD "
                self.stdout.write(f"{mark:<5}{finding.part:<12}{finding.text}")
                if finding.mend:
                    self.stdout.write(f"{'':<17}{finding.mend}")
        ill = [finding.part for finding in findings if not finding.healthy]
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings]))
        if ill:
            raise CommandError(f"To be mended: {', '.join(ill)}.")
