"""Slices to a socket to an ingest."""
