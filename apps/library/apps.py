"""The app's registration."""

from django.apps import AppConfig


class LibraryConfig(AppConfig):
    """Media files of a workspace."""

    name = "apps.library"
    default_auto_field = "django.db.models.BigAutoField"
