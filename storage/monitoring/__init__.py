"""What is counted, kept as evidence of who did what, and told to others."""
