"""Every recipe under the same budget on the same films: one table."""
