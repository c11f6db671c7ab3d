"""Doorways for people: what is open, rules, channels, the log, quiet times."""
