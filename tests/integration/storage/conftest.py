"""Every test here runs on SQLite and on PostgreSQL; some need a disk that is full."""

from tests.peers.disks import small_disk

__all__ = ["small_disk"]
