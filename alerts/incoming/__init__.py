"""What platforms report of a host's machines: addresses, what arrives there, and whose episode it belongs to."""
