"""What programs post: accepted at once, merged every five minutes (R-055)."""
