"""Commands about who may use the HTTP interface."""
