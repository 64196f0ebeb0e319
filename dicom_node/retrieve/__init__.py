"""What is pulled: images that pushed Workitems name; it ends at reception's door."""
