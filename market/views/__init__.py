"""Doorways for people, all of them public, one module per page."""
