"""What is drawn: the overlay, the panel beside it, the page of the PDF."""
