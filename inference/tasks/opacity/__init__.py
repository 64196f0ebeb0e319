"""Lungs, and the opacities on them, one by one and pixel by pixel."""
