"""Judges: real servers that receive, and ffprobe/ffmpeg that say what was received.

Nothing here imports the engine (but for its clock), so a mistake in the engine cannot hide itself.
"""
