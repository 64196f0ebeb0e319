"""From encapsulated bytes to values that mean what the header says."""
