"""RTMP events to bytes and back; no I/O."""
