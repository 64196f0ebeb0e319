"""What speaks HTTP: the server, and the faces behind it."""
