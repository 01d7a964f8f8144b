"""Abstract models, encrypted fields, waking and logging manners; knows no domain word."""
