"""News that travels upwards."""

from django.dispatch import Signal

asset_uses_asked = Signal()
"""Sent with `asset` before it is deleted. A receiver answers with a list of `Use`: who needs it."""

asset_deleted = Signal()
"""Sent with `asset` after it was deleted; its files stay until the time to undo is over."""

rendition_changed = Signal()
"""Sent with `asset_id` and `rendition_id` after a rendition became ready or failed."""
