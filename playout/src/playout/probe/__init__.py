"""Source file to MediaInfo: what it is, and what preparing would do."""
