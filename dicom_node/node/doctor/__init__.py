"""Checks what a deployment needs before a modality finds out; ``examine`` runs them."""
