"""OTLP on the wire <-> columns."""
