"""The page of threats names tests that exist, for every threat that pages and API have to meet."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "threats.md"
MUST_STAND = {"S1", "S2", "S7", "S9", "S11", "S12", "S13", "S14", "S15"}


def rows() -> dict[str, list[str]]:
    """Full names of the tests of each threat; `::name` goes on in the file named before it."""
    found: dict[str, list[str]] = {}
    for line in PAGE.read_text().splitlines():
        threat = re.match(r"\| \*\*(S\d+)\*\*", line)
        if threat is None:
            continue
        file = ""
        for path, name in re.findall(r"`([\w/]*(?:\.py)?)::(test_\w+)`", line.rsplit("|", 2)[1]):
            file = path or file
            found.setdefault(threat[1], []).append(f"{file}::{name}")
    return found


def test_every_threat_has_a_test():
    assert {threat for threat, tests in rows().items() if tests} >= MUST_STAND


def test_every_test_that_is_named_exists():
    missing = []
    for tests in rows().values():
        for full_name in tests:
            path, _, name = full_name.partition("::")
            file = ROOT / path
            if not file.is_file() or f"def {name}(" not in file.read_text():
                missing.append(full_name)
    assert not missing
