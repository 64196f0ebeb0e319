"""Who may use the HTTP interface."""
