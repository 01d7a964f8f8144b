"""Placements to slices when they are due."""
