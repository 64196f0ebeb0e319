"""What the origin server works on, and what a request may cost."""

from dataclasses import dataclass

from dicom_node.worklist.reception import Reception
from storage.database import Database
from storage.objects.protocol import ObjectStore

PREFIX = "/dicom-web"


@dataclass(frozen=True, slots=True)
class DicomwebLimits:
    """What one request may cost.

    Parameters
    ----------
    results
        Answers of one search; more are to be had with ``offset``.
    object_bytes
        Of one object that is stored.
    parts, request_bytes
        Of one request that stores objects.
    pixels
        Of one picture that is decoded.
    """

    results: int
    object_bytes: int
    parts: int
    request_bytes: int
    pixels: int = 100_000_000


@dataclass(frozen=True, slots=True)
class DicomwebParts:
    """What the origin server works on.

    Parameters
    ----------
    database, store
        What is searched, and where the bytes lie.
    reception
        The door for objects.
    limits
        What a request may cost.
    """

    database: Database
    store: ObjectStore
    reception: Reception
    limits: DicomwebLimits
