"""All that is between us and YouTube: channels, broadcasts, their truth and their quota."""
