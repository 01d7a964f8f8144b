"""Streams, playlists and destinations for programs."""
