import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import (
    Environment,
    parse_database_url,
    parse_email_url,
    parse_env_file,
    parse_size,
)


def env(**variables):
    return Environment(variables)


@pytest.mark.parametrize(
    ("raw", "size"),
    [("262144", 262144), ("256K", 262144), ("15M", 15 << 20), ("2g", 2 << 30), ("1T", 1 << 40)],
)
def test_sizes_are_powers_of_1024(raw, size):
    assert parse_size(raw) == size


@pytest.mark.parametrize("raw", ["", "M", "1.5M", "-1", "15 MB", "٣"])
def test_other_sizes_are_refused(raw):
    with pytest.raises(ValueError, match="number of bytes"):
        parse_size(raw)


@pytest.mark.parametrize(
    "read",
    [
        lambda e: e.flag("X", False),
        lambda e: e.whole("X", 1),
        lambda e: e.size("X", 1),
        lambda e: e.one_of("X", "a", ("a", "b")),
        lambda e: e.database("X", "sqlite:///x"),
        lambda e: e.email("X"),
        lambda e: e.places("X"),
    ],
)
def test_a_bad_value_names_the_variable_but_does_not_repeat_it(read):
    with pytest.raises(ImproperlyConfigured, match=r"^X: ") as caught:
        read(env(X="hunter22"))
    assert "hunter22" not in str(caught.value)


def test_an_empty_value_means_the_default():
    assert env(X=" ").whole("X", 7) == 7
    assert env(X="").flag("X", True) is True


def test_numbers_have_a_least_value():
    with pytest.raises(ImproperlyConfigured, match="at least 1"):
        env(X="0").whole("X", 5, least=1)


def test_lists_leave_out_blanks():
    assert env(X=" a, ,b,").listed("X") == ["a", "b"]


def test_postgresql_addresses_keep_escaped_passwords_and_options():
    found = parse_database_url("postgresql://u:p%40ss@db:5433/name?sslmode=require")
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"], found["NAME"]) == (
        "u", "p@ss", "db", "5433", "name",
    )  # fmt: skip
    assert found["OPTIONS"] == {"sslmode": "require"}


def test_a_socket_directory_stands_in_the_query():
    assert parse_database_url("postgresql:///name?host=/run/pg")["HOST"] == "/run/pg"


def test_sqlite_takes_absolute_and_relative_paths():
    assert parse_database_url("sqlite:////var/lib/db")["NAME"] == "/var/lib/db"
    assert parse_database_url("sqlite:///db.sqlite3")["NAME"] == "db.sqlite3"


@pytest.mark.parametrize("raw", ["mysql://db/name", "postgresql://db/", "sqlite://", "name"])
def test_other_database_addresses_are_refused(raw):
    with pytest.raises(ValueError, match="must"):
        parse_database_url(raw)


def test_mail_goes_encrypted_unless_it_stays_on_this_machine():
    assert parse_email_url("smtp://u:p@mail:587")["EMAIL_USE_TLS"] is True
    assert parse_email_url("smtps://mail")["EMAIL_PORT"] == 465
    assert parse_email_url("smtp://127.0.0.1:2525")["EMAIL_USE_TLS"] is False


def test_env_files_take_comments_quotes_and_exports(tmp_path):
    content = "# note\n\nexport A=1\nB='two words'\nC=x=y\n"
    assert parse_env_file(content, tmp_path) == {"A": "1", "B": "two words", "C": "x=y"}


def test_a_broken_line_is_named_by_its_number(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="line 2"):
        parse_env_file("A=1\nnonsense\n", tmp_path)


def test_the_process_wins_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("LOG_LEVEL=DEBUG\nPORT=1\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "file"))
    monkeypatch.setenv("PORT", "2")
    found = Environment.of_process(tmp_path)
    assert found.whole("PORT", 0) == 2
    assert found.text("LOG_LEVEL") == "DEBUG"


def test_places_are_read_as_they_are_compared():
    places = env(X="Ingest.example:1935, 127.0.0.1:19350,[2001:DB8::7]:1935").places("X")
    assert places == ["ingest.example:1935", "127.0.0.1:19350", "2001:db8::7:1935"]
    assert env().places("X") == []


@pytest.mark.parametrize(
    "entry",
    ["127.0.0.0/8", "10.0.0.0/8:1935", "ingest.example", "rtmp://ingest.example:1935", ":1935",
     "ingest.example:0", "ingest.example:99999", "ingest.example:rtmp", "::1:1935", "[x]:1935"],
)  # fmt: skip
def test_a_place_that_would_never_match_is_refused(entry):
    with pytest.raises(ImproperlyConfigured, match=r"^X: entry 2 is not host:port.*networks"):
        env(X=f"127.0.0.1:1935,{entry}").places("X")
