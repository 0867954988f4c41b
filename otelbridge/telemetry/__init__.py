"""Watching ourselves."""
