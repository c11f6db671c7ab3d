"""What the market's pages show, one module per page; what is kept is in no language."""

MAX_QUERY = 80  # characters of a search
