"""An image classifier: trunks of the literature under one new head."""
