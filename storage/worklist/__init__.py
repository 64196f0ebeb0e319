"""The queue of Unified Procedure Steps."""
