"""A language that nobody speaks, made of our texts: longer, and in letters that English lacks.

What a page shows in plain Latin letters was never handed to a translator; what does not fit would
not fit in German either.
"""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = "en-xa"

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ACCENTED = "áƀćđéƒǵħíĵķłɱńóƥɋřšŧúṽŵẋýžÁƁĆĐÉƑǴĦÍĴĶŁṀŃÓƤɊŘŠŦÚṼŴẊÝŽ"
_TABLE = str.maketrans(_PLAIN, _ACCENTED)
# What a translator has to leave as it is: placeholders, markup, character references.
_KEPT = re.compile(r"(%\(\w+\)[a-z]|%[a-z%]|\{[^}]*\}|<[^>]+>|&#?\w+;|\n)")
LONGER = 0.4


def pseudo(text: str) -> str:
    """The text with other letters and 40 % more of them."""
    parts = _KEPT.split(text)
    said = "".join(part if n % 2 else part.translate(_TABLE) for n, part in enumerate(parts))
    letters = sum(len(part) for part in parts[::2])
    more = "".join(" ňö"[n % 3] for n in range(round(letters * LONGER))).rstrip()
    end = "\n" if said.endswith("\n") else ""
    return said.removesuffix("\n") + more + end


def catalogues() -> Iterator[Path]:
    """Ours, and those of the packages whose texts our pages show."""
    import allauth
    import django

    yield ROOT / "locale" / "en" / "LC_MESSAGES" / "django.po"
    for package, folder in ((allauth, ""), (django, "conf"), (django, "contrib/auth")):
        yield Path(package.__path__[0]) / folder / "locale" / "en" / "LC_MESSAGES" / "django.po"


def messages(path: Path) -> Iterator[tuple[str, str, str]]:
    """Context, text and plural text of every entry of a catalogue."""
    entry: dict[str, str] = {}
    field = ""
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("#~"):
            continue
        match = re.match(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?)?\s*(".*")$', line)
        if match and match[1]:
            field = match[1]
            entry[field] = ""
        if match and field:
            entry[field] += ast.literal_eval(match[2])
        elif not line.strip():
            if entry.get("msgid"):
                yield entry.get("msgctxt", ""), entry["msgid"], entry.get("msgid_plural", "")
            entry, field = {}, ""


def install(directory: Path) -> None:
    """Write the language below `directory`, as the compiled catalogue that Django reads."""
    texts = {
        "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
    }
    for path in catalogues():
        for context, text, plural in messages(path):
            key = f"{context}\x04{text}" if context else text
            value = pseudo(text)
            if plural:
                key, value = f"{key}\0{plural}", f"{value}\0{pseudo(plural)}"
            texts.setdefault(key, value)
    target = directory / "en_XA" / "LC_MESSAGES"
    target.mkdir(parents=True, exist_ok=True)
    (target / "django.mo").write_bytes(compiled(texts))


def compiled(texts: dict[str, str]) -> bytes:
    """The catalogue as GNU gettext's binary format, version 0."""
    pairs = sorted((key.encode(), value.encode()) for key, value in texts.items())
    tables: list[bytes] = []
    strings = b""
    begin = 28 + 16 * len(pairs)
    for side in (0, 1):
        table = b""
        for pair in pairs:
            table += struct.pack("<II", len(pair[side]), begin + len(strings))
            strings += pair[side] + b"\0"
        tables.append(table)
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return head + tables[0] + tables[1] + strings
