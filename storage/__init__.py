"""What the node remembers: objects on disk, and rows that say where each one stands."""
