"""`make lab` runs tests by name: one that was renamed would be missed only there."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_test_that_the_lab_names_exists() -> None:
    loader = SourceFileLoader("lab_script", str(ROOT / "scripts/lab"))
    spec = spec_from_loader("lab_script", loader)
    assert spec is not None
    script = module_from_spec(spec)
    loader.exec_module(script)
    assert script.JUDGED
    for name in script.JUDGED.values():
        file, _, test = name.partition("::")
        text = (ROOT / file).read_text()
        assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), name
