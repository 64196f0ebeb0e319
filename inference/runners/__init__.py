"""What runs a network: the seam, and those who fill it."""
