"""docs/reference/settings.md names exactly the variables that the code reads."""

import re
from pathlib import Path

from config.settings import env

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/settings.md").read_text()


def documented():
    return re.findall(r"^\| `([A-Z0-9_]+)` \|", PAGE, re.MULTILINE)


def test_every_setting_is_documented_once_in_the_order_of_the_code():
    assert documented() == env.names


def test_the_example_file_names_known_settings_only():
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^([A-Z0-9_]+)=", example, re.MULTILINE))
    assert named <= set(documented())


def test_only_config_reads_the_environment():
    readers = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "apps").rglob("*.py")
        if re.search(r"os\.environ|os\.getenv", path.read_text())
    ]
    # The supervisor hands its environment to programs; Prometheus' own variable is its interface.
    assert sorted(readers) == ["apps/ops/metrics.py", "apps/ops/supervision.py"]
