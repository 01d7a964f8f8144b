"""Node control and its pump processes."""
