from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from apps.youtube import texts

VALUES = texts.values_of(
    stream="Rain", channel="Harbour", at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
)


def test_places_are_filled():
    assert texts.title_of("{stream} on {channel}, {date}", VALUES) == "Rain on Harbour, 2026-11-22"


def test_unknown_places_are_named():
    assert texts.unknown_places("{stream} {song} {x") == ["song"]


@given(st.text(), st.text())
def test_titles_are_what_youtube_takes(template, name):
    title = texts.title_of(template, VALUES | {"stream": name})
    assert 1 <= len(title) <= 100
    assert "<" not in title
    assert ">" not in title
    assert "\n" not in title


@given(st.text(min_size=1), st.integers(1, 4000))
def test_descriptions_are_cut_between_characters(text, times):
    assert len(texts.description_of(text * times, VALUES).encode()) <= 5000


@given(st.lists(st.text(max_size=40), max_size=60))
def test_tags_stay_within_five_hundred_characters(tags):
    kept = texts.tags_of(",".join(tags))
    assert len(",".join(f'"{tag}"' if " " in tag else tag for tag in kept)) <= 500
    assert len(kept) == len(set(kept))


def test_what_is_put_in_is_not_looked_at_again():
    assert texts.title_of("{stream}", VALUES | {"stream": "{date} <b>"}) == "{date} b"
