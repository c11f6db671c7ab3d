"""Small servers that answer like services of others, for development and tests; no product code imports them."""
