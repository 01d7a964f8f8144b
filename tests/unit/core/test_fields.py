import base64

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection, models
from django.test.utils import isolate_apps

from apps.core.fields import EncryptedTextField, open_sealed, seal

OLD, NEW = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))


def test_what_was_sealed_opens():
    assert open_sealed(seal("abcd-1234", "t.c", (NEW,)), "t.c", (NEW,)) == "abcd-1234"


def test_the_newest_key_seals_and_older_ones_still_open():
    old = seal("x", "t.c", (OLD,))
    assert open_sealed(old, "t.c", (NEW, OLD)) == "x"
    assert seal("x", "t.c", (NEW, OLD)).partition(":")[0] != old.partition(":")[0]


def test_a_value_moved_to_another_column_does_not_open():
    with pytest.raises(ImproperlyConfigured, match="moved"):
        open_sealed(seal("x", "destination.key", (NEW,)), "channel.token", (NEW,))


def test_a_lost_key_is_named_as_the_reason():
    with pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEYS"):
        open_sealed(seal("x", "t.c", (OLD,)), "t.c", (NEW,))


def test_a_damaged_value_does_not_open():
    sealed = seal("x", "t.c", (NEW,))
    with pytest.raises(ImproperlyConfigured, match="damaged"):
        open_sealed(sealed[:-4] + "AAAA", "t.c", (NEW,))


@pytest.mark.parametrize("keys", [(), ("short",)])
def test_missing_or_malformed_keys_are_refused(keys):
    with pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEYS"):
        seal("x", "t.c", keys)


def test_an_opened_secret_does_not_show_itself():
    secret = open_sealed(seal("abcd-1234", "t.c", (NEW,)), "t.c", (NEW,))
    assert "abcd" not in repr(secret)
    assert "abcd" not in repr({"key": secret})


@pytest.mark.django_db(transaction=True)
def test_the_database_holds_no_secret():
    with isolate_apps("apps.core"):

        class Keeper(models.Model):  # noqa: DJ008
            secret = EncryptedTextField(blank=True)

            class Meta:
                app_label = "core"

    with connection.schema_editor() as editor:
        editor.create_model(Keeper)
    try:
        row = Keeper.objects.create(secret="abcd-1234-efgh")
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret FROM core_keeper")
            (stored,) = cursor.fetchone()
        assert "abcd" not in stored
        assert Keeper.objects.get(pk=row.pk).secret == "abcd-1234-efgh"
        with pytest.raises(FieldError):
            Keeper.objects.filter(secret="abcd-1234-efgh").exists()
        assert Keeper.objects.filter(secret__isnull=False).count() == 1
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Keeper)
