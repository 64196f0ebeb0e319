"""Checks of a result object before it may be sent."""
