"""What holds for the files of the repository, whoever wrote them."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git work tree")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_lock_holds_hashes_and_no_address():
    for name in ("runtime", "dev"):
        lock = (ROOT / f"requirements/{name}.txt").read_text()
        assert "://" not in lock
        pins = re.findall(r"^([a-z0-9_.-]+)==", lock, re.MULTILINE | re.IGNORECASE)
        assert len(pins) > 50
        for block in re.split(r"^(?=\S)", lock, flags=re.MULTILINE):
            assert not block.strip() or "--hash=sha256:" in block, block[:80]


def test_the_development_lock_pins_the_same_versions_as_the_runtime_lock():
    def pins(name):
        return set(
            re.findall(
                r"^(\S+==\S+)", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE
            )
        )

    assert pins("runtime") <= pins("dev")


def test_links_between_documents_lead_somewhere():
    dead = []
    for page in tracked("*.md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            path = target.partition("#")[0]
            elsewhere = not path or "://" in path or path.startswith("mailto:")
            if not elsewhere and not (page.parent / path).exists():
                dead.append(f"{page.relative_to(ROOT)}: {target}")
    assert not dead


def test_no_private_file_is_committed():
    names = [path.relative_to(ROOT).as_posix() for path in tracked()]
    assert not [n for n in names if Path(n).name == ".env" or n.startswith("var/")]


def test_each_app_and_engine_module_says_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in tracked("apps/*.py", "config/*.py", "playout/src/*.py")
        if "/migrations/" not in path.as_posix()
        and path.read_text().strip()
        and not path.read_text().removeprefix("#!/usr/bin/env python\n").startswith('"""')
    ]
    assert not silent
