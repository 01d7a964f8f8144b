"""News that travels upwards."""

from django.dispatch import Signal

entitlements_changed = Signal()
"""Sent with `workspace` after what it may use has changed."""
