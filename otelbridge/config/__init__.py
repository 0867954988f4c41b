"""YAML in, a checked model out, every mistake at once."""
