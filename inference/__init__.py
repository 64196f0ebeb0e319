"""Arrays in, findings out: no network, no database, no DICOM."""
