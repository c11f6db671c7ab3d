"""All that the site holds of one account: what it is (`inventory`), taken along (`exporting`), gone (`erasing`)."""
