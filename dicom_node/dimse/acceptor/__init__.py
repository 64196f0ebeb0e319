"""The node as an acceptor of associations; pynetdicom's internals live here."""
