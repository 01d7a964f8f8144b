import base64

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone

from apps.youtube import tasks
from apps.youtube.models import SEALED, Channel, OAuthClient

pytestmark = pytest.mark.django_db


def make(workspace, name, secret):
    channel = Channel(
        workspace=workspace, youtube_id=f"UC{name}", title=name, state_since=timezone.now()
    )
    channel.refresh_token = secret
    channel.save()
    return channel


def test_a_token_is_unreadable_in_the_database_and_in_reprs(workspace):
    channel = make(workspace, "one", "1//planted-refresh-token")
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_refresh_token FROM youtube_channel")
        (stored,) = cursor.fetchone()
    assert "planted" not in stored
    assert Channel.objects.get().refresh_token == "1//planted-refresh-token"
    assert "planted" not in repr([channel.refresh_token, Channel.objects.get()])


def test_a_secret_copied_to_another_row_does_not_open(workspace):
    one, two = make(workspace, "one", "secret-one"), make(workspace, "two", "secret-two")
    Channel.objects.filter(pk=one.pk).update(sealed_refresh_token=two.sealed_refresh_token)
    with pytest.raises(ImproperlyConfigured, match="moved there"):
        _ = Channel.objects.get(pk=one.pk).refresh_token


def test_a_secret_copied_to_another_column_or_tenant_does_not_open(workspace, charlie):
    one = make(workspace, "one", "secret-one")
    Channel.objects.filter(pk=one.pk).update(sealed_access_token=one.sealed_refresh_token)
    with pytest.raises(ImproperlyConfigured):
        _ = Channel.objects.get(pk=one.pk).access_token
    Channel.objects.filter(pk=one.pk).update(workspace=charlie.workspaces.get())
    with pytest.raises(ImproperlyConfigured):
        _ = Channel.objects.get(pk=one.pk).refresh_token


def test_the_housekeeping_seals_everything_with_the_newest_key(workspace, settings):
    old = settings.FIELD_ENCRYPTION_KEYS[0]
    channel = make(workspace, "one", "secret-one")
    own = OAuthClient(workspace=workspace, client_id="x")
    own.secret = "secret-two"
    own.save()
    new = base64.urlsafe_b64encode(b"n" * 32).decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    tasks.prune()
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert Channel.objects.get(pk=channel.pk).refresh_token == "secret-one"
    assert OAuthClient.objects.get().secret == "secret-two"


def test_every_sealed_column_is_in_the_list_of_the_housekeeping():
    listed = {(model, column) for model, pairs in SEALED.items() for _, column in pairs}
    columns = {
        (model, field.name)
        for model in SEALED
        for field in model._meta.fields
        if field.name.startswith("sealed_")
    }
    assert listed == columns
