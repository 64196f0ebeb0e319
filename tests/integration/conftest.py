"""What integration tests have at hand."""

from tests.peers.postgres import postgres_url

__all__ = ["postgres_url"]
