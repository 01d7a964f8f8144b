"""Density and its peers."""
