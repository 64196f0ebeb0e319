"""The ways to those who are told, strangers to each other."""
