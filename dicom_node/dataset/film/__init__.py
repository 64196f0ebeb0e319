"""What a header says about its film: body part, view, product, age of the patient."""
