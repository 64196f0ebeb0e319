"""Notifications: rules, and the ways to those who are told."""
