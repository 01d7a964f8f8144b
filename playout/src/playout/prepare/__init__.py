"""MediaInfo to plan to track files."""
