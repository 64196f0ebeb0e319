"""What the commands share at the terminal: options, tables, times."""
