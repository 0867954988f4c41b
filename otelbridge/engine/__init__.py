"""Moves batches from the log through the components, and remembers where it was."""
