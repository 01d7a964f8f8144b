"""Fakes that pass the same tests as the real things."""
