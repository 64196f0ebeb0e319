"""The reference network: one trunk, Mask R-CNN, a dense head and an image head."""
