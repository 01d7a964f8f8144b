"""The app's place in Django."""

from __future__ import annotations

from django.apps import AppConfig


class StreamingConfig(AppConfig):
    """Streams, playlists, destinations, and the database side of the engine."""

    name = "apps.streaming"
    label = "streaming"
    verbose_name = "Streaming"

    def ready(self) -> None:
        """Connect the receivers."""
        from apps.streaming import receivers  # noqa: F401
