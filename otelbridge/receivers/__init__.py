"""Protocols in, raw request bytes out."""
