"""Health, metrics, the doctor, and everything at once under one supervisor."""
