"""STOW-RS: bodies taken apart, objects on their way to the door."""
