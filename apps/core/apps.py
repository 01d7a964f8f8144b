"""The app's registration."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Foundations without a domain word."""

    name = "apps.core"
