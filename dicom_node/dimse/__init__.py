"""DIMSE: presentation contexts, statuses, and the services in both roles (PS3.7)."""
