"""The DICOM Conformance Statement, and the sections of it that two services fill."""
