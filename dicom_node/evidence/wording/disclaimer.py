"""What stands on everything: that it is not a diagnosis."""

DISCLAIMER = "AI result, not for primary diagnosis"
