"""Blocks of tracks on the local disk."""
