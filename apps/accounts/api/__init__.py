"""The API's door, and what it tells of a workspace."""
