"""Every code that may stand in a stream's log is explained in docs/reference/events.md."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "events.md"

_WRITTEN = (
    # events.record(stream, "code", …) in the web project; self._note("code", …) in the pump.
    (ROOT / "apps" / "streaming", re.compile(r"events\.record\(\s*\w+,\s*\"([a-z_.]+)\"")),
    # An edit on air: _edit(stream, part, by, "code", …).
    (
        ROOT / "apps" / "streaming",
        re.compile(r"_edit\(\s*stream,\s*[\w\"]+,\s*by,\s*\"([a-z_.]+)\""),
    ),
    # look.say("code", …): what happened at YouTube.
    (ROOT / "apps" / "youtube", re.compile(r"\.say\(\s*\"([a-z_.]+)\"")),
    (ROOT / "playout" / "src", re.compile(r"(?:_note|OutputEvent)\(\s*\"([a-z_.]+)\"")),
)


def codes_in_code() -> set[str]:
    return {
        code
        for folder, pattern in _WRITTEN
        for path in folder.rglob("*.py")
        for code in pattern.findall(path.read_text(encoding="utf-8"))
    }


def codes_on_page() -> set[str]:
    table = PAGE.read_text(encoding="utf-8").partition("Codes of reported errors")[0]
    return set(re.findall(r"^\| `([a-z_.]+)` \|", table, re.MULTILINE))


def test_every_event_is_documented_and_nothing_else():
    assert len(codes_in_code()) > 10
    assert codes_on_page() == codes_in_code()
