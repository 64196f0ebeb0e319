"""Who may use the node: local users, API keys and sessions of browsers."""
