"""Draws words onto a transparent picture, in any script for which the machine has a font.

What a user typed is data from first to last: nothing here interprets it.
"""

from __future__ import annotations

import enum
import functools
import itertools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playout.errors import CardUnreadable, PrepareError

if TYPE_CHECKING:
    from PIL import ImageFont

MAX_WORDS = 200
"""Characters; what is longer is cut."""
MOST_LINES = 2
ELLIPSIS = "…"

_FONT_ROOTS = ("/usr/share/fonts", "/usr/local/share/fonts")
_FONTS = (
    "NotoSans-Regular", "DejaVuSans", "LiberationSans-Regular", "NotoSansCJK-Regular",
    "NotoSansArabic-Regular", "NotoNaskhArabic-Regular", "NotoSansHebrew-Regular",
    "NotoSansDevanagari-Regular", "NotoSansBengali-Regular", "NotoSansTamil-Regular",
    "NotoSansTelugu-Regular", "NotoSansThai-Regular", "NotoSansGeorgian-Regular",
    "NotoSansArmenian-Regular", "NotoSansEthiopic-Regular", "NotoSansKhmer-Regular",
    "NotoSansSymbols2-Regular", "NotoSansSymbols-Regular", "NotoEmoji-Regular",
    "WenQuanYiMicroHei", "wqy-microhei", "DroidSansFallbackFull",
)  # fmt: skip
_SCRIPTS = {
    "Latin": "Aé", "Greek": "Ω", "Cyrillic": "Ж", "Arabic": "س", "Hebrew": "ש", "Devanagari": "अ",
    "Thai": "ก", "Chinese": "中文", "Japanese": "あ", "Korean": "한",
}  # fmt: skip
"""Letters by which a script is known to be there, or not."""
_OTHER_FONTS = 3
"""Fonts of unknown names that are used when none of the known ones is there."""
_JOINERS = "\u200c\u200d"
"""Zero-width characters that shape their neighbours; all others of that kind are left out."""
_MOST_MARKS = 3
"""Marks above and below one letter; more only cover the picture."""


class CardStyle(enum.Enum):
    """How a card looks; the value is what settings and rows hold."""

    BAND = "band"
    """A dark band across the bottom."""
    CORNER = "corner"
    """A dark box around the words, in the lower left corner."""
    TOP = "top"
    """A dark band across the top."""


def cleaned(words: str) -> str:
    """`words` in one line, without what cannot be seen, and not longer than `MAX_WORDS`."""
    kept: list[str] = []
    marks = 0
    for mark in unicodedata.normalize("NFC", words[: 4 * MAX_WORDS]):
        kind = unicodedata.category(mark)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if kind in ("Cf", "Cs", "Co", "Cn") and mark not in _JOINERS:
            continue
        if marks <= _MOST_MARKS:
            kept.append(" " if kind.startswith(("C", "Z")) and mark not in _JOINERS else mark)
    text = " ".join("".join(kept).split())
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1].rstrip() + ELLIPSIS


@dataclass(frozen=True, slots=True)
class Fonts:
    """What words can be drawn with on this machine."""

    files: tuple[Path, ...]
    """Empty when there is only the one that Pillow brings along."""
    scripts: tuple[str, ...]
    """In English; of the ones that most titles are in."""
    missing: tuple[str, ...]


def fonts_here() -> Fonts:
    """What a doctor asks. Raises `PrepareError` when Pillow is not installed."""
    pen = _Pen(32)
    has = {name: all(map(pen.has, letters)) for name, letters in _SCRIPTS.items()}
    return Fonts(
        _font_files(),
        tuple(name for name, there in has.items() if there),
        tuple(name for name, there in has.items() if not there),
    )


def draw_words(
    words: str, size: tuple[int, int], file: Path, style: CardStyle = CardStyle.BAND
) -> None:
    """Draw `words` on a dark ground on a transparent picture of `size`, as PNG into `file`.

    Lines are broken where they must be; what needs more than two ends in an ellipsis. A symbol
    that no font has is left out. Raises `CardUnreadable` when that is a letter, or nothing is
    left, and `PrepareError` when Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise PrepareError("Title cards need Pillow, which is not installed.") from error
    width, height = size
    points, margin = max(14, round(min(size) * 0.05)), round(width * 0.05)
    pen = _Pen(points)
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    brush = ImageDraw.Draw(image)
    lines = pen.broken(pen.drawable(cleaned(words)), width - 2 * margin)
    step, pad = round(points * 1.4), points // 2
    top = margin if style is CardStyle.TOP else height - margin - step * len(lines)
    left, right, room = 0, width, width - 2 * margin
    if style is CardStyle.CORNER:
        widest = max(pen.width(line) for line in lines)
        room = round(widest)
        left, right = margin - pad, margin + room + pad
    brush.rectangle((left, top - pad, right, top + step * len(lines) + pad), (0, 0, 0, 150))
    for number, line in enumerate(lines):
        pen.write(brush, line, (margin, top + number * step), room)
    image.save(file)


@dataclass(frozen=True, slots=True)
class _Run:
    """Words that follow one another in one font and one direction."""

    text: str
    font: ImageFont.FreeTypeFont
    is_rtl: bool


class _Pen:
    """Measures and writes lines of mixed scripts at one size."""

    def __init__(self, points: int) -> None:
        self._fonts = _fonts(points)
        self._has: dict[tuple[int, str], bool] = {}

    def drawable(self, text: str) -> str:
        """`text` without symbols that no font has. Raises `CardUnreadable`."""
        kept = []
        for mark in text:
            if self.has(mark):
                kept.append(mark)
            elif unicodedata.category(mark)[0] in "LN":
                name = unicodedata.name(mark, f"U+{ord(mark):04X}")
                raise CardUnreadable(f"No font of this machine has the letter {name}.")
        found = " ".join("".join(kept).split())
        if not any(unicodedata.category(mark)[0] in "LNS" for mark in found):
            raise CardUnreadable("There is nothing to read in the text of the card.")
        return found

    def broken(self, text: str, room: int) -> list[str]:
        """Two lines at the most, each within `room`."""
        words, lines = text.split(), list[str]()
        while words and len(lines) < MOST_LINES:
            line = words.pop(0)
            while words and self.width(f"{line} {words[0]}") <= room:
                line = f"{line} {words.pop(0)}"
            if len(lines) == MOST_LINES - 1 and words:
                line = " ".join([line, *words])
            lines.append(self._fitted(line, room))
        return lines

    def _fitted(self, line: str, room: int) -> str:
        if self.width(line) <= room:
            return line
        low, high = 0, len(line)
        while low < high:
            middle = (low + high + 1) // 2
            if self.width(line[:middle].rstrip() + ELLIPSIS) <= room:
                low = middle
            else:
                high = middle - 1
        while low and unicodedata.combining(line[low : low + 1] or "a"):
            low -= 1  # A letter keeps its marks, or goes with them.
        return line[:low].rstrip() + ELLIPSIS

    def width(self, line: str) -> float:
        """Pixels that a line takes."""
        runs = self._runs(line)
        gap = self._gap()
        return sum(run.font.getlength(run.text) for run in runs) + gap * max(0, len(runs) - 1)

    def write(self, brush: Any, line: str, at: tuple[int, int], room: int) -> None:
        """Write a line from `at` on, or towards it from the far side of `room`."""
        runs, (left, top) = self._runs(line), at
        is_rtl = _is_rtl(line)
        x = left + room - self.width(line) if is_rtl else float(left)
        baseline = top + self._fonts[0].getmetrics()[0]
        for run in reversed(runs) if is_rtl else runs:
            brush.text((x, baseline), run.text, font=run.font, fill=(240, 240, 240, 255),
                       anchor="ls")  # fmt: skip
            x += run.font.getlength(run.text) + self._gap()

    def _gap(self) -> float:
        return self._fonts[0].getlength(" ")

    def _runs(self, line: str) -> Sequence[_Run]:
        found: list[_Run] = []
        for word in line.split():
            font = self._font_for(word)
            # Numbers and marks go with what they stand in.
            is_rtl = _is_rtl(word, unless=found[-1].is_rtl if found else _is_rtl(line))
            if found and found[-1].font is font and found[-1].is_rtl == is_rtl:
                found[-1] = _Run(f"{found[-1].text} {word}", font, is_rtl)
            else:
                found.append(_Run(word, font, is_rtl))
        return found

    def _font_for(self, word: str) -> ImageFont.FreeTypeFont:
        """The font that has most of a word, the first of several."""
        counts = [sum(self._knows(n, mark) for mark in word) for n in range(len(self._fonts))]
        return self._fonts[counts.index(max(counts))]

    def has(self, mark: str) -> bool:
        """Whether some font has it."""
        return any(self._knows(number, mark) for number in range(len(self._fonts)))

    def _knows(self, number: int, mark: str) -> bool:
        if mark == " " or mark in _JOINERS or unicodedata.category(mark) in ("Mn", "Me"):
            return True
        key = number, mark
        if key not in self._has:
            font = self._fonts[number]
            shown, box = (font.getmask(each) for each in (mark, "\U0010ffff"))
            # What is missing is drawn as the font's box.
            self._has[key] = (shown.size, bytes(shown)) != (box.size, bytes(box))
        return self._has[key]


@functools.lru_cache(maxsize=8)
def _fonts(points: int) -> tuple[ImageFont.FreeTypeFont, ...]:
    try:
        from PIL import ImageFont
    except ImportError as error:
        raise PrepareError("Title cards need Pillow, which is not installed.") from error
    found = [ImageFont.truetype(str(file), points) for file in _font_files()]
    plain = ImageFont.load_default(size=points)
    if isinstance(plain, ImageFont.FreeTypeFont):
        # Pillow brings it along: Latin letters, so that something can always be read.
        found.append(plain)
    if not found:
        raise PrepareError("Title cards need Pillow with FreeType, which this one lacks.")
    return tuple(found)


@functools.cache
def _font_files() -> tuple[Path, ...]:
    """Fonts of this machine, most useful first."""
    files = {
        path.stem: path
        for root in _FONT_ROOTS
        for path in sorted(Path(root).rglob("*"))
        if path.suffix.lower() in (".ttf", ".otf", ".ttc")
    }
    known = tuple(files[name] for name in _FONTS if name in files)
    others = (path for name, path in files.items() if not _is_special(name))
    return known or tuple(itertools.islice(others, _OTHER_FONTS))


def _is_special(name: str) -> bool:
    """Whether a font is, by its name, not one for plain words."""
    words = ("bold", "italic", "oblique", "symbol", "math", "emoji", "icon", "mono", "condensed")
    return any(word in name.lower() for word in words)


def _is_rtl(text: str, *, unless: bool = False) -> bool:
    """Whether the first letter that has a direction runs from right to left."""
    for mark in text:
        direction = unicodedata.bidirectional(mark)
        if direction in ("R", "AL"):
            return True
        if direction == "L":
            return False
    return unless
