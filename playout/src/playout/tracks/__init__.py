"""Track files to packets, and back."""
