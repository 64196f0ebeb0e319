"""A baseline without pixels: what the columns of a table alone can tell."""
