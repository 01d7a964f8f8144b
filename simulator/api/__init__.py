"""The used part of the YouTube Data API v3."""
