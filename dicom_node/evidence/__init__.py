"""Results as DICOM objects: what is sent, checked before it leaves."""
