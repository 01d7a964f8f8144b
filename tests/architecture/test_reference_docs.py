"""The generated pages say what the code says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_pages_of_errors_and_states_are_up_to_date():
    result = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference-docs", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_every_error_code_is_unique():
    codes = [
        line.split("|")[1].strip()
        for line in (ROOT / "docs/reference/errors.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    assert len(codes) == len(set(codes)) > 20
