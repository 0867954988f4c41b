"""One file a question asked of measurements."""
