"""How fast the node is, measured beside its peers on the same machine."""
