"""The Structured Report (PS3.16 TID 1500)."""
