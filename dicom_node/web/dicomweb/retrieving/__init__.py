"""WADO-RS and WADO-URI: objects, frames, metadata and pictures."""
