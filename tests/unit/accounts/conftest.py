import re

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def nothing_counted():
    """Rate limits live in the cache: no test inherits another's attempts."""
    cache.clear()


@pytest.fixture
def confirming(settings):
    """As an installation with a mail server: addresses must be confirmed."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.EMAIL_CONFIGURED = True


@pytest.fixture
def link_in(mailoutbox):
    """The path of the first link in the latest mail to an address."""

    def find(email):
        mail = [mail for mail in mailoutbox if email in mail.to][-1]
        return re.search(r"https?://[^/\s]+(/\S+)", mail.body)[1]

    return find
