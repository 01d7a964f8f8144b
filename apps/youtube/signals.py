"""News that travels upwards. `subject` is the id of what is put on air; its owner knows more."""

from django.dispatch import Signal

encoders_asked = Signal()
"""Sent with `subjects`. Their owner answers with `truth.EncoderFacts` by subject, without those
that are gone; it takes the same queries for one and for many."""

aired_asked = Signal()
"""Sent with `subject` and `at`. Its owner answers with the `truth.WasOn` of that moment."""

boundary_asked = Signal()
"""Sent with `subject`, `earliest`, `latest`. The answer is when, between both, an item ends."""

key_ready = Signal()
"""Sent with `show` and `ingest_key` when that key is to be sent to; may come again, unchanged."""

key_released = Signal()
"""Sent with `show` and `ingest_key` when nothing is to be sent to that key any more."""

channel_forgotten = Signal()
"""Sent with `channel` and the `subjects` on it before what YouTube told of it is deleted. Of the
ids of its ingest keys `kept` are still being sent to; nobody is to keep those that are `gone`."""

show_changed = Signal()
"""Sent with `show`, `code`, `text` after something happened that belongs into its log."""

stop_wished = Signal()
"""Sent with `show` and `reason` when YouTube took the show off and its policy is to stop."""
