"""Small pictures as SVG, drawn on the server."""
