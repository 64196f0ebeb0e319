"""A single-shot detector: boxes in one pass."""
