"""One file a question asked of spans."""
