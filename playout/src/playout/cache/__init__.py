"""Blocks of tracks on local disk: what airs first is here first."""
