"""`make lab` runs tests by name: one that was renamed would be missed only there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from playout.testing.lab import SCENARIOS

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def script(tmp_path: Path) -> ModuleType:
    loader = SourceFileLoader("lab_script", str(ROOT / "scripts/lab"))
    spec = spec_from_loader("lab_script", loader)
    assert spec is not None
    script = module_from_spec(spec)
    loader.exec_module(script)
    script.RESULTS = tmp_path
    return script


@pytest.fixture
def started(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the script has started, in place of the lab and the tests."""
    commands: list[list[str]] = []

    def run(command: Sequence[object], **_: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        commands.append(words)
        if "pytest" in words:
            report = next(word for word in words if word.startswith("--junitxml="))
            names = [word.rpartition("::")[2] for word in words if "::" in word]
            cases = "".join(f'<testcase name="{name}" time="1"/>' for name in names)
            Path(report.partition("=")[2]).write_text(f"<testsuite>{cases}</testsuite>")
        is_unknown = "F99" in words or "long" in words
        return subprocess.CompletedProcess(
            words, 2 if is_unknown else 0, stdout="[]"[is_unknown * 2 :]
        )

    monkeypatch.setattr(script.subprocess, "run", run)
    return commands


def test_a_part_of_the_lab_leaves_the_kept_result_alone(
    script: ModuleType, started: list[list[str]], tmp_path: Path
) -> None:
    assert script.main(["--only", "F2", "--only=F5", "--at-once", "2"]) == 0
    (measured,) = [words for words in started if "playout.testing.lab" in words]
    assert measured[-4:] == ["--only", "F2", "--at-once", "2"]
    (judged,) = [words for words in started if "pytest" in words]
    assert [word for word in judged if "::" in word] == [script.JUDGED["F5"]]
    assert not list(tmp_path.iterdir())


def test_a_fault_that_is_measured_only_starts_no_tests(
    script: ModuleType, started: list[list[str]]
) -> None:
    assert script.main(["--only", "F2"]) == 0
    assert not any("pytest" in words for words in started)


def test_all_of_the_lab_is_kept(
    script: ModuleType, started: list[list[str]], tmp_path: Path
) -> None:
    assert script.main([]) == 0
    kept = json.loads((tmp_path / "lab.json").read_text())
    assert {row["fault"] for row in kept["judged_by_others"]} == set(script.JUDGED)


@pytest.mark.parametrize("wrong", [["--only", "F99"], ["--onyl", "F2"], ["soak", "long"], ["sok"]])
def test_what_it_does_not_know_is_wrong_usage(
    wrong: list[str], script: ModuleType, started: list[list[str]]
) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(wrong)
    assert ended.value.code == 2
    assert not any("pytest" in words for words in started)
    assert not list(script.RESULTS.iterdir())


def test_the_script_knows_what_the_lab_measures(script: ModuleType) -> None:
    assert set(SCENARIOS) == script.MEASURED


def test_every_test_that_the_lab_names_exists(script: ModuleType) -> None:
    assert script.JUDGED
    for name in script.JUDGED.values():
        file, _, test = name.partition("::")
        text = (ROOT / file).read_text()
        assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), name
