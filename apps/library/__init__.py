"""Media files: uploads, what they are, and the tracks prepared from them."""
