"""The durable, ordered record of what was acknowledged."""
