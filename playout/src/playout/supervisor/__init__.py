"""Desired to lease to publisher to reported."""
