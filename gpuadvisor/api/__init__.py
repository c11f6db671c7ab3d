"""The doorways for programs: endpoints per version and app, tokens, limits, errors, paging (R-061)."""
