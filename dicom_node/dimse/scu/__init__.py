"""Services that this node uses at its peers (SCU role)."""
