"""Verification SCP: answers C-ECHO (DICOM PS3.4 Annex A)."""

from pynetdicom import evt

from dicom_node.dimse.status import Status


def echo(_event: evt.Event) -> int:
    """Answer that this node is there."""
    return Status.SUCCESS
