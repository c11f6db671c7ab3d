"""How long each table's rows are kept (R-064), and how they go: months are dropped, other rows go in small batches."""
