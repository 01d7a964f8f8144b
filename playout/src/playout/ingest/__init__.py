"""A small RTMP receiver to try things out."""
