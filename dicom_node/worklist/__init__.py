"""What comes in, what is to be done about it, and how it ended."""
