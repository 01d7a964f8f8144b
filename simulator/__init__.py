"""A stand-in for YouTube: sign-in, the live parts of its API, and the ingest."""
