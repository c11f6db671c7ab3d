"""Figures computed ahead for each host and metric type: what they are, where they go, how far to trust them (R-020)."""
