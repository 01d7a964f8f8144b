"""Who may work on a row."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.library import lease
from apps.library.models import Asset

pytestmark = pytest.mark.django_db


@pytest.fixture
def asset(workspace):
    return Asset.objects.create(workspace=workspace, title="film", state="checking")


def row(asset: Asset):
    return Asset.objects.filter(pk=asset.pk)


def test_the_first_claim_wins(asset):
    first, second = lease.new_owner(), lease.new_owner()
    assert lease.claim(row(asset), first)
    assert not lease.claim(row(asset), second)
    lease.release(asset, second)
    assert not lease.claim(row(asset), second)
    lease.release(asset, first)
    assert lease.claim(row(asset), second)
    asset.refresh_from_db()
    assert asset.attempt == 2


def test_renewing_keeps_a_row_and_a_late_owner_cannot(asset):
    first, second = "elsewhere:1:1:a", "elsewhere:1:1:b"
    lease.claim(row(asset), first)
    row(asset).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert lease.renew(asset, first)
    assert not lease.claim(row(asset), second)
    row(asset).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert lease.claim(row(asset), second)
    assert not lease.renew(asset, first)


def test_a_dead_process_of_this_machine_gives_its_row_back_at_once(asset):
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'\n"
        "import django; django.setup()\n"
        "from apps.library import lease; print(lease.new_owner())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    dead = done.stdout.strip()
    assert lease.claim(row(asset), dead)
    asset.refresh_from_db()
    assert lease.is_free(asset)
    assert lease.claim(row(asset), lease.new_owner())


def test_a_living_process_keeps_its_row(asset):
    lease.claim(row(asset), lease.new_owner())
    asset.refresh_from_db()
    assert not lease.is_free(asset)
