"""The web pages: what people see at ``/``, written on the server."""
