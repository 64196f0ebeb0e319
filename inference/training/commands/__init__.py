"""The model-building commands, without their command line."""
