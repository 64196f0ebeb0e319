"""Wiring of what others are told of the node's life."""
