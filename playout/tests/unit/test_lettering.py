"""Words on cards: any script, any length, never a crash, never more than the picture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from playout.errors import CardUnreadable
from playout.prepare.lettering import MAX_WORDS, CardStyle, cleaned, draw_words

WIDE, TALL = (854, 480), (480, 854)
DEJAVU = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


def drawn(tmp_path: Path, words: str, size=WIDE, style=CardStyle.BAND) -> Image.Image:
    draw_words(words, size, tmp_path / "words.png", style)
    return Image.open(tmp_path / "words.png")


def ground(image: Image.Image) -> tuple[int, int, int, int]:
    box = image.getchannel("A").getbbox()
    assert box is not None
    return box


def letters(image: Image.Image) -> tuple[int, int, int, int]:
    box = image.getchannel("R").point(lambda value: 255 * (value > 120)).getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize(
    ("size", "style"),
    [(WIDE, CardStyle.BAND), (TALL, CardStyle.CORNER), (WIDE, CardStyle.TOP)],
)
@pytest.mark.parametrize(
    "words",
    [
        "A",
        "Artist — Title",
        "Bob's \"Song\": 100%{n} [x];\\n' , movie=/etc/passwd",
        "word " * 60,
        "\u05e9\u05dc\u05d5\u05dd" if DEJAVU.exists() else "Shalom",
        "unbreakable" * 40,
        "a" + "\u0301" * 500 + " z" + "\u0316" * 90,
        "%{eif:1:d} ${HOME} `id` $(id)",
    ],
)
def test_words_stay_within_their_ground_and_the_picture(tmp_path, words, size, style) -> None:
    image = drawn(tmp_path, words, size, style)
    assert image.size == size
    left, top, right, bottom = ground(image)
    inner = letters(image)
    assert left <= inner[0] < inner[2] <= right
    assert top <= inner[1] < inner[3] <= bottom
    # At most about a fifth of the picture; what plays under it stays to be seen.
    assert bottom - top <= 0.3 * size[1]
    third = size[1] / 3
    assert bottom <= third if style is CardStyle.TOP else top >= 2 * third


def test_styles_cover_different_places(tmp_path) -> None:
    boxes = {style: ground(drawn(tmp_path, "Some words", style=style)) for style in CardStyle}
    assert boxes[CardStyle.BAND][0::2] == boxes[CardStyle.TOP][0::2] == (0, 854)
    assert boxes[CardStyle.CORNER][2] < 854 / 2


def test_a_long_text_ends_in_an_ellipsis() -> None:
    assert cleaned("x" * 500) == "x" * (MAX_WORDS - 1) + "…"
    assert len(cleaned("ab " * 300)) <= MAX_WORDS


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("  two\n words\t\r\x00 ", "two words"),
        ("e\u0301", "\u00e9"),
        ("evil\u202etxt.exe\u2066", "eviltxt.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("\ud800lone", "lone"),
        ("a" + "\u0301" * 50, "\u00e1" + "\u0301" * 3),
    ],
)
def test_what_cannot_be_seen_is_left_out(typed: str, shown: str) -> None:
    assert cleaned(typed) == shown


@pytest.mark.parametrize(
    "words", ["", "   ", "\u200d\u202e", "\U0001f469\u200d\U0001f680", "\u2014"]
)
def test_a_card_without_a_letter_is_refused(tmp_path, words) -> None:
    with pytest.raises(CardUnreadable, match="nothing to read"):
        drawn(tmp_path, words)


def test_a_letter_without_a_font_is_refused_and_named(tmp_path) -> None:
    with pytest.raises(CardUnreadable, match=re.escape("EGYPTIAN HIEROGLYPH A001")) as caught:
        drawn(tmp_path, "Song \U00013000")
    assert "font" in caught.value.advice


def test_a_symbol_without_a_font_is_left_out(tmp_path) -> None:
    with_emoji = letters(drawn(tmp_path, "Song \U0001fae8"))
    assert with_emoji == letters(drawn(tmp_path, "Song"))


@pytest.mark.skipif(not DEJAVU.exists(), reason="no font with Arabic and Hebrew on this machine")
def test_scripts_from_right_to_left_begin_on_the_right(tmp_path) -> None:
    for words in (
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
        "\u0633\u0644\u0627\u0645 2024",
    ):
        left, _, right, _ = letters(drawn(tmp_path, words))
        assert right > 854 * 0.9
        assert left > 854 / 2
    latin = letters(drawn(tmp_path, "Shalom"))
    assert latin[0] < 854 * 0.1


@pytest.mark.skipif(not DEJAVU.exists(), reason="no font with Arabic on this machine")
def test_letters_join_as_their_script_wants(tmp_path) -> None:
    joined = letters(drawn(tmp_path, "\u0628\u0628\u0628"))
    apart = letters(drawn(tmp_path, "\u0628 \u0628 \u0628"))
    assert joined[2] - joined[0] < 0.8 * (apart[2] - apart[0])
