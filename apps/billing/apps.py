"""The app's registration."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """What a workspace has paid for."""

    name = "apps.billing"
