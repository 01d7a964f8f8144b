import json

import pytest
from django.core.management import CommandError, call_command

from apps.streaming.models import Node
from playout.prepare import lettering


@pytest.mark.django_db
def test_a_well_installation_is_called_well(capsys):
    call_command("doctor", "--json")
    findings = {one["part"]: one for one in json.loads(capsys.readouterr().out)}
    assert set(findings) == {
        "ffmpeg", "fonts", "database", "broker", "cache", "storage", "clock", "disk", "nodes",
        "credentials",
    }  # fmt: skip
    assert all(one["healthy"] for one in findings.values())


@pytest.mark.django_db
def test_it_says_what_is_wrong_and_how_to_mend_it(local_disk, settings, capsys):
    local_disk.write_text("a file where a directory should be")
    settings.FIELD_ENCRYPTION_KEYS = ["short"]
    with pytest.raises(CommandError, match="storage, credentials"):
        call_command("doctor")
    said = capsys.readouterr().out
    assert "BAD  storage" in said
    assert "FIELD_ENCRYPTION_KEYS" in said
    assert "ok   database" in said


@pytest.mark.django_db
def test_it_warns_of_nodes_that_cannot_ask_each_other(capsys):
    Node.objects.create(id="one", name="one")
    call_command("doctor", "--json")
    Node.objects.create(id="two", name="two", peer_address="10.0.0.2:9000")
    with pytest.raises(CommandError, match="nodes"):
        call_command("doctor")
    assert "NODE_PEER_LISTEN" in capsys.readouterr().out
    Node.objects.filter(pk="one").update(peer_address="10.0.0.1:9000")
    call_command("doctor")


@pytest.mark.django_db
def test_it_warns_when_titles_can_be_shown_in_latin_letters_only(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(lettering, "_FONT_ROOTS", (str(tmp_path),))
    lettering._font_files.cache_clear()
    lettering._fonts.cache_clear()
    try:
        call_command("doctor")
    finally:
        lettering._font_files.cache_clear()
        lettering._fonts.cache_clear()
    said = capsys.readouterr().out
    assert "warn fonts" in said
    assert "fonts-noto-core" in said
