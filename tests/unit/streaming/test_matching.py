from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from apps.streaming.matching import File, Video, matched, plain


def file(title, name="", seconds=None):
    return File(uuid4(), title, name, seconds)


def one(video, *files):
    (found,) = matched([video], files)
    return next((f for f in files if f.asset_id == found), None)


def test_an_id_in_the_name_decides():
    by_id = file("anything", "Rain on a roof [a1B2c3D4e5F].mp4", 10)
    by_title = file("Rain on a roof", "", 300)
    assert one(Video("a1B2c3D4e5F", "Rain on a roof", 300), by_title, by_id) is by_id
    dashed = file("x", "Rain-a1B2c3D4e5F.mkv")
    assert one(Video("a1B2c3D4e5F", "Rain"), dashed) is dashed
    # A part of a longer word is none.
    assert one(Video("a1B2c3D4e5F", "Rain"), file("y", "zza1B2c3D4e5F.mkv")) is None


def test_titles_are_compared_as_people_read_them():
    for name in ("RAIN  on a Roof.MP4", "rain_on_a_roof.mov", "Rain – on a roof!"):
        found = file("", name, 300)
        assert one(Video("x" * 11, "Rain, on a Roof", 300.4), found) is found


def test_of_several_with_one_title_the_length_decides():
    short, long = file("Rain", "", 60), file("Rain", "", 3600)
    assert one(Video("x" * 11, "Rain", 3601), short, long) is long
    # Nobody can tell which one it is.
    assert one(Video("x" * 11, "Rain", 900), short, long) is None
    assert one(Video("x" * 11, "Rain", None), short, long) is None


def test_a_title_alone_is_not_believed_of_quite_another_length():
    assert one(Video("x" * 11, "Intro", 10), file("Intro", "", 600)) is None
    near = file("Intro", "", 10.9)
    assert one(Video("x" * 11, "Intro", 10), near) is near


def test_other_scripts_keep_their_letters():
    assert plain("Дождь по крыше.mp4") == "дождь по крыше"
    assert plain("雨の音") == "雨の音"
    assert one(Video("x" * 11, "!!!", 5), file("???", "", 5)) is None


@given(st.lists(st.text(max_size=12)), st.lists(st.text(max_size=12)))
def test_every_video_has_one_answer_and_it_is_a_file_of_ours(titles, names):
    files = [file(name, name, 5) for name in names]
    found = matched([Video(f"{n:011}", title, 5) for n, title in enumerate(titles)], files)
    assert len(found) == len(titles)
    assert {one for one in found if isinstance(one, UUID)} <= {f.asset_id for f in files}
