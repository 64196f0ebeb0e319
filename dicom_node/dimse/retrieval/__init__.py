"""What Query/Retrieve asks for, finds and sends (DICOM PS3.4 Annex C)."""
