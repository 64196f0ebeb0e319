"""Results on their way."""
