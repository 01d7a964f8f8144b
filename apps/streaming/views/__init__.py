"""Pages of streams and playlists."""
