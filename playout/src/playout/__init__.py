"""The playout engine: prepared tracks in, RTMP sessions out."""

__version__ = "0.1.0"
