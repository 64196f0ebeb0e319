"""Results as DICOM objects ("evidence", as IHE calls it); pure functions."""
