"""The DICOM node: speaks DICOM, decides, and composes ``inference`` and ``storage``."""

__version__ = "0.2.0"
