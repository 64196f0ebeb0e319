"""Who asks by HTTP, what that role may, and how browsers sign in."""
