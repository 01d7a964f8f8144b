"""The app's registration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may do what, where."""

    name = "apps.accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers."""
        from apps.accounts import receivers  # noqa: F401
