"""What the unit tests of storage have at hand."""

from tests.peers.disks import small_disk

__all__ = ["small_disk"]
