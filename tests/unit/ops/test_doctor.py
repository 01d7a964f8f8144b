import json

import pytest
from django.core.management import CommandError, call_command


@pytest.mark.django_db
def test_a_well_installation_is_called_well(capsys):
    call_command("doctor", "--json")
    findings = {one["part"]: one for one in json.loads(capsys.readouterr().out)}
    assert set(findings) == {
        "ffmpeg", "database", "broker", "cache", "storage", "clock", "disk", "credentials",
    }  # fmt: skip
    assert all(one["healthy"] for one in findings.values())


@pytest.mark.django_db
def test_it_says_what_is_wrong_and_how_to_mend_it(local_disk, settings, capsys):
    local_disk.write_text("a file where a directory should be")
    settings.FIELD_ENCRYPTION_KEYS = ["short"]
    with pytest.raises(CommandError, match="storage, credentials"):
        call_command("doctor")
    said = capsys.readouterr().out
    assert "BAD storage" in said
    assert "FIELD_ENCRYPTION_KEYS" in said
    assert "ok  database" in said
