"""Commands that set a site up, say who may use it, and keep or remove what it holds."""
