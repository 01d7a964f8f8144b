"""Judges: real servers that receive, and ffprobe/ffmpeg that say what was received.

Nothing that judges imports the engine (but for its clock), so a mistake there cannot hide itself.
"""
