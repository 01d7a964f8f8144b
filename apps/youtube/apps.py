"""The application."""

from django.apps import AppConfig


class YouTubeConfig(AppConfig):
    """Channels, broadcasts, API quota."""

    name = "apps.youtube"
    label = "youtube"
    verbose_name = "YouTube"
