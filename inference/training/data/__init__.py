"""Annotated films, from their files to what a network is shown."""
