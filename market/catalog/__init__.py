"""The GPU catalog: data files, the reading of them, and their way into the database (docs/catalog.md)."""
