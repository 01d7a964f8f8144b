"""Streams: what should be on air, where, and what really is."""
