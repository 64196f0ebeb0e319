"""The outbox, emptied: results on their way to their receivers."""
