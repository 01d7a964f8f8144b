"""The app's registration."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Operating the product."""

    name = "apps.ops"
